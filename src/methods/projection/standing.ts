// Where a selection stands, and how each score takes it on. Plain data, so that a checkpoint holds it.
import { type CellKey, cellName } from '../../genotype/genotype.ts';
import { type AbsenceScore, type Criterion, leastMissed, mostMissed } from '../../select/absence.ts';
import type { Selectable } from '../../select/candidates.ts';
import type { JsonValue } from '../method.ts';
import { type Decision, keptInputs, scoresOf } from './plan.ts';
import { type Mask, openRows, type Projected, withRow } from './projected.ts';

/** Where a selection stands, beside its weights. */
export interface Standing {
  readonly projected: Projected;
  /** Of the cell that is being decided; of its inputs those of this round. */
  readonly scores: readonly AbsenceScore[];
  /** Rows that its node still has, ascending. */
  readonly remaining: readonly number[];
  /** Rounds of its inputs that are done: which rows were tried, their scores, which of them went. */
  readonly rounds: readonly JsonValue[];
  /** What this decision has come to in the cells before, for the journal. */
  readonly told: readonly { readonly [name: string]: JsonValue }[];
}

/** One cell's part in a decision. */
export interface Turn {
  readonly kind: Decision['kind'];
  readonly cell: CellKey;
  /** A row, or a node. */
  readonly place: number;
  /** Whether the next score is its first, and whether it is its last. */
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

/** Nothing is decided yet. */
export function firstStanding(selectable: Selectable): Standing {
  return { projected: openRows(selectable), scores: [], remaining: [], rounds: [], told: [] };
}

/** Whose turn the score of a number is. */
export function turnAt(selectable: Selectable, decision: Decision, step: number): Turn {
  let done = step;
  for (const [cell, place] of decision.of) {
    const scores = scoresOf(selectable, decision, [cell, place]);
    if (done < scores) return { kind: decision.kind, cell, place, isFirst: done === 0, isLast: done + 1 === scores };
    done -= scores;
  }
  throw new RangeError(`[projection] expected a score of the decision but got number ${step}`);
}

/** As a turn begins. */
export function begun(selectable: Selectable, standing: Standing, { kind, cell, place, isFirst }: Turn): Standing {
  if (!isFirst) return standing;
  const remaining = kind === 'inputs' ? rowsInto(selectable, cell, place) : [];
  return { ...standing, scores: [], rounds: [], remaining };
}

function rowsInto({ tables }: Selectable, cell: CellKey, node: number): number[] {
  return tables[cell].edges.flatMap((edge, row) => (edge.node === node ? [row] : []));
}

/** What the next score does without. By `cumulative` edges that went in earlier rounds stay away. */
export function maskOf(selectable: Selectable, standing: Standing, turn: Turn, cumulative: boolean): Mask {
  const { cell, place, kind } = turn;
  const { scores, remaining } = standing;
  if (kind === 'operation') return { cell, rows: [place], candidate: scores.length };
  const gone = rowsInto(selectable, cell, place).filter((row) => !remaining.includes(row));
  return { cell, rows: [remaining[scores.length], ...(cumulative ? gone : [])] };
}

/** With one more score; decides the cell when it was its last. */
export function scored(
  selectable: Selectable,
  standing: Standing,
  turn: Turn,
  score: AbsenceScore,
  criteria: Readonly<Record<Decision['kind'], Criterion>>,
): Standing {
  const taken = { ...standing, scores: [...standing.scores, score] };
  if (turn.kind === 'operation') {
    if (!turn.isLast) return taken;
    return withOperation(selectable, taken, turn, mostMissed(taken.scores, criteria.operation));
  }
  const after = taken.scores.length === taken.remaining.length ? roundEnded(taken, criteria.inputs) : taken;
  return turn.isLast ? withInputs(selectable, after, turn, after.remaining) : after;
}

/** The edge that is missed least goes. */
function roundEnded(standing: Standing, criterion: Criterion): Standing {
  const { scores, remaining, rounds } = standing;
  const place = leastMissed(scores, criterion);
  const round = { tried: remaining, scores: plain(scores), went: remaining[place] };
  return {
    ...standing,
    scores: [],
    remaining: remaining.filter((_, index) => index !== place),
    rounds: [...rounds, round],
  };
}

/** A row keeps one candidate. */
export function withOperation(selectable: Selectable, standing: Standing, turn: Turn, candidate: number): Standing {
  const { cell, place: row } = turn;
  const { node, input, candidates } = selectable.tables[cell].edges[row];
  const names = candidates.map(({ name }) => name);
  const where = `${cellName(cell)}, edge from state ${input} to node ${node}`;
  const told = {
    ...{ told: `${where}: ${names[candidate]}${withoutText(names, standing.scores)}` },
    ...{ cell, row, node, input, candidates: names, scores: plain(standing.scores), chosen: names[candidate] },
  };
  return {
    ...standing,
    projected: withRow(standing.projected, cell, row, candidate),
    told: [...standing.told, told],
  };
}

/** A node keeps some of its edges. */
export function withInputs(selectable: Selectable, standing: Standing, turn: Turn, kept: readonly number[]): Standing {
  const { cell, place: node } = turn;
  const { edges } = selectable.tables[cell];
  const dropped = rowsInto(selectable, cell, node).filter((row) => !kept.includes(row));
  const states = kept.slice(0, keptInputs).map((row) => edges[row].input);
  const told = {
    ...{ told: `${cellName(cell)}, node ${node}: reads states ${states.join(' and ')}` },
    ...{ cell, node, rounds: standing.rounds, kept: states },
  };
  const projected = dropped.reduce((all, row) => withRow(all, cell, row, 'dropped'), standing.projected);
  return { ...standing, projected, told: [...standing.told, told] };
}

/** What people want to see of an operation's decision: how the supernet did without each. */
function withoutText(names: readonly string[], scores: readonly AbsenceScore[]): string {
  if (scores.length === 0) return '';
  const each = names.map((name, i) => `${name} ${(100 * scores[i].accuracy).toFixed(2)}%`);
  return ` (without: ${each.join(', ')})`;
}

function plain(scores: readonly AbsenceScore[]): JsonValue {
  return scores.map(({ accuracy, loss }) => ({ accuracy, loss }));
}
