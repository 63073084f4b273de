// An edge that a search kept, and what its alpha came to say of the candidates there: read from the journal alone.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { ArgumentError, FileError } from '../errors.ts';
import { withoutDeadNodes } from '../genotype/dead_nodes.ts';
import { type CellEdge, keptEdge } from '../genotype/edges.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { parseGenotype } from '../genotype/text.ts';
import type { MixingActivation } from '../graph/graph.ts';
import { exists, fileError } from '../io/file_error.ts';
import { noneName } from '../operation/operations.ts';
import type { RowsByTable } from '../select/alpha.ts';
import { type RecordedRun, runFiles } from './directory.ts';
import { type RunHistoryEntry, readRunEntries } from './history.ts';
import { recordedSkeleton } from './known_operations.ts';
import { readStagedRecords, stageNamed } from './stages.ts';

/** Which edge of which genotype of a run. */
export interface EdgeChoice {
  /** Name of a stage of the run; the last when absent. */
  readonly stage?: string;
  /** An edge that the genotype keeps, such as `normal.0.1`: cell, node from 0, input; its first when absent. */
  readonly edge?: string;
  /** Of a genotype of triples: leave out nodes without a live source; they are refused when absent. */
  readonly dropDeadNodes?: boolean;
}

/** What a search learnt of a candidate at a place. */
export interface LearntWeight {
  readonly alpha: number;
  /** What the supernet weighs it with: alpha by the activation of the space, among the candidates of the edge. */
  readonly mixing: number;
}

/** A candidate of an edge, by the largest alpha that it has there. */
export interface LearntCandidate extends LearntWeight {
  readonly candidate: string;
  /** Where it is several times on the edge: what was learnt of the others. */
  readonly others?: readonly LearntWeight[];
}

/** An edge of what a stage of a search found. */
export interface SearchedEdge {
  readonly stage: string;
  readonly genotype: Genotype;
  readonly edge: CellEdge;
  readonly activation: MixingActivation;
  /** All but `none`, in the order of the space. */
  readonly candidates: readonly LearntCandidate[];
}

/** Reads what a search came to on an edge. Throws ArgumentError for an edge that is not kept, FileError for a run that tells of none. */
export async function readSearchedEdge(run: RecordedRun, choice: EdgeChoice): Promise<SearchedEdge> {
  const { directory } = run.files;
  if (run.config.command !== 'search') throw new FileError(`${directory} holds a training: expected a search`);
  const { name, genotype: found, entry, frame } = await readFound(directory, choice.stage);
  const genotype = choice.dropDeadNodes ? withoutDeadNodes(found) : found;
  const edge = keptEdge(genotype, choice.edge);
  const { name: table, rows } = frame.layout.tables[edge.cell];
  const row = rows.findIndex(({ node, input }) => node === edge.node && input === edge.input);
  if (row < 0) throw new FileError(`${directory} is damaged: its genotype has an edge that its alpha has not`);
  const names = rows[row].candidates;
  recordedSkeleton(frame.layout, names, directory, 'no network of it can be trained');
  const weights = names.map((_, i) => ({ alpha: entry.alpha[table][row][i], mixing: entry.mixing[table][row][i] }));
  return { stage: name, genotype, edge, activation: frame.activation, candidates: learntOf(names, weights) };
}

/** One a name: of several places the one with the largest alpha, of equals the first. */
function learntOf(names: readonly string[], weights: readonly LearntWeight[]): LearntCandidate[] {
  return [...new Set(names)]
    .filter((name) => name !== noneName)
    .map((candidate) => {
      const own = weights.filter((_, i) => names[i] === candidate);
      const [largest, ...others] = own.toSorted((a, b) => b.alpha - a.alpha);
      return { candidate, ...largest, ...(others.length > 0 && { others }) };
    });
}

/** An epoch that told of its genotype. */
type Found = RunHistoryEntry & { readonly genotype: Genotype };

/** A stage that told of alpha. */
interface Stage {
  readonly name: string;
  /** From 0. */
  readonly number: number;
  readonly epochs: Found[];
}

/** The epoch whose genotype a stage came to: its last, but where it keeps the best. */
async function readFound(directory: string, wanted: string | undefined): Promise<Found> {
  const stages = new Map<string, Stage>();
  for await (const entry of readRunEntries(directory)) {
    const { name, stage: number, genotype } = entry;
    const stage: Stage = stages.get(name) ?? { name, number, epochs: [] };
    stages.set(name, stage);
    if (genotype !== undefined) stage.epochs.push({ ...entry, genotype });
  }
  const { name, number, epochs } = stageNamed(stages, wanted, 'last', directory);
  const last = epochs.at(-1);
  if (last === undefined) {
    throw new FileError(
      `${directory} has no genotype of its stage ${name} yet: let the search come to the end of an epoch first`,
    );
  }
  const { genotype, mixing } = await readEnd(directory, name, number);
  const isEnd = (epoch: Found) =>
    isDeepStrictEqual(epoch.genotype, genotype) &&
    (mixing === undefined || isDeepStrictEqual(epoch.entry.mixing, mixing));
  return epochs.findLast(isEnd) ?? last;
}

/** What a stage ended with: the run's result, or what an earlier stage left in its folder; nothing while it goes on. */
async function readEnd(
  directory: string,
  name: string,
  number: number,
): Promise<{ readonly genotype?: Genotype; readonly mixing?: RowsByTable }> {
  const file = runFiles(join(directory, name)).genotype;
  if (await exists(file)) return { genotype: await readGenotype(file) };
  let end = {};
  for await (const { record, stage } of readStagedRecords(directory)) {
    if (record.type === 'result' && stage === number && 'mixing' in record) end = record;
  }
  return end;
}

async function readGenotype(file: string): Promise<Genotype> {
  try {
    return parseGenotype(await readFile(file, 'utf8'));
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw fileError('read', file, error);
    throw new FileError(`${file} holds no genotype: ${error.message}`, { cause: error });
  }
}
