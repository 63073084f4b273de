// What a selection decided by which scores, read from its journal alone.
import { aName, check, isRecord } from '../checks.ts';
import { FileError } from '../errors.ts';
import type { CellKey } from '../genotype/genotype.ts';
import { type AbsenceScore, type Criterion, criteria } from '../select/absence.ts';
import { runNames } from './config.ts';
import { type DecisionRecord, readJournal } from './journal.ts';

/** Something that was left out, and how the supernet did without it. */
export interface TriedAbsence extends AbsenceScore {
  /** Of its edge, that the edge was left with before. */
  readonly operation: string;
  /** Index of the state that the edge reads. */
  readonly input: number;
}

/** A cell's part in a decision, or a round of it. */
export interface ScoredDecision {
  /** Which operation an edge keeps, or which edge a node loses. */
  readonly kind: 'operation' | 'inputs';
  /** Of the decision, from 1; cells have their part in it one after another. */
  readonly number: number;
  readonly cell: CellKey;
  /** From 0. */
  readonly node: number;
  /** Of a node's inputs, from 1. */
  readonly round?: number;
  readonly tried: readonly TriedAbsence[];
  /** Which of them is kept or, of inputs, goes. */
  readonly decided: number;
}

/** What {@link readDecisions} gives. */
export interface ScoredDecisions {
  /** What operations were decided by. */
  readonly criterion: Criterion;
  /** In the order in which they were made. */
  readonly decisions: readonly ScoredDecision[];
}

/**
 * The decisions of a selection by perturbation, also while it goes on, with the scores that each took. Throws FileError for another run, and for
 * one whose decisions have no scores.
 */
export async function readDecisions(directory: string): Promise<ScoredDecisions> {
  check('run', directory, aName);
  let criterion: Criterion | undefined;
  const records: DecisionRecord[] = [];
  for await (const record of readJournal(directory)) {
    if (record.type === 'start') {
      if (record.run !== 'select') {
        throw new FileError(
          `${directory} holds a ${runNames[record.run]}: scores are what a selection by projection has`,
        );
      }
      criterion = criteria.find((known) => known === record.settings['projCrit']);
    }
    if (record.type === 'decision') records.push(record);
  }
  if (criterion === undefined && records.length > 0) {
    throw new FileError(`${directory} has no scores: its decisions were made by alpha alone`);
  }
  const decisions = decisionsOf(records, directory);
  if (criterion !== undefined && decisions.length > 0) return { criterion, decisions };
  throw new FileError(`${directory} has decided nothing yet: let the selection come to the end of its first decision`);
}

/** An edge, and the operation that it was left with. */
type Decided = Pick<TriedAbsence, 'operation' | 'input'>;

/** Decisions with their scores, in the order in which they were made. Throws FileError for one that makes no sense. */
export function decisionsOf(records: readonly DecisionRecord[], directory: string): ScoredDecision[] {
  const stages = [...new Set(records.map(({ stage = 0 }) => stage))];
  /** By cell and row. */
  const edges = new Map<string, Decided>();
  return records.flatMap(({ stage = 0, decision }) => {
    const number = 1 + stages.indexOf(stage);
    const found = operationOf(decision, number, edges) ?? roundsOf(decision, number, edges);
    if (found !== undefined) return found;
    throw new FileError(`the journal of ${directory} is damaged: its decision ${number} makes no sense`);
  });
}

function operationOf(
  decision: DecisionRecord['decision'],
  number: number,
  edges: Map<string, Decided>,
): ScoredDecision[] | undefined {
  const { cell, row, node, input, candidates, scores, chosen } = decision;
  if (!isName(cell) || !isPlace(row) || !isPlace(node) || !isPlace(input)) return undefined;
  if (!Array.isArray(candidates) || !candidates.every(isName)) return undefined;
  const absences = scoresOf(scores, candidates.length);
  const decided = isName(chosen) ? candidates.indexOf(chosen) : -1;
  if (absences === undefined || decided < 0) return undefined;
  edges.set(`${cell} ${row}`, { operation: candidates[decided], input });
  const tried = candidates.map((operation, i) => ({ operation, input, ...absences[i] }));
  return [{ kind: 'operation', number, cell, node, tried, decided }];
}

function roundsOf(
  { cell, node, rounds }: DecisionRecord['decision'],
  number: number,
  edges: ReadonlyMap<string, Decided>,
): ScoredDecision[] | undefined {
  if (!isName(cell) || !isPlace(node) || !Array.isArray(rounds)) return undefined;
  const told = rounds.flatMap((value: unknown, index) => {
    if (!isRecord(value)) return [];
    const { tried: rows, scores, went } = value;
    if (!Array.isArray(rows)) return [];
    const absences = scoresOf(scores, rows.length);
    const own = rows.map((row: unknown) => edges.get(`${cell} ${row}`));
    const decided = rows.indexOf(went);
    if (absences === undefined || decided < 0 || own.includes(undefined)) return [];
    const tried = own.map((edge, i) => ({ ...(edge as Decided), ...absences[i] }));
    return [{ kind: 'inputs' as const, number, cell, node, round: 1 + index, tried, decided }];
  });
  return told.length === rounds.length ? told : undefined;
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isPlace(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** As many scores; undefined for what are none. */
function scoresOf(value: unknown, length: number): AbsenceScore[] | undefined {
  if (!Array.isArray(value) || value.length !== length || length === 0) return undefined;
  const isScore = (one: unknown) => isRecord(one) && [one['accuracy'], one['loss']].every(Number.isFinite);
  return value.every(isScore) ? value.map(({ accuracy, loss }) => ({ accuracy, loss })) : undefined;
}
