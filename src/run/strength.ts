// How strong the candidates of a searched supernet are, beside what its alpha says of them (DARTS-PT, arXiv:2108.04392).
import { aBoolean, aFunction, aNumber, anInteger } from '../checks.ts';
import { loadDataset } from '../data/load.ts';
import { ArgumentError, throwIfAborted } from '../errors.ts';
import { edgeName } from '../genotype/edges.ts';
import {
  absenceScores,
  aloneScores,
  type EdgeRow,
  type ScoredImages,
  type SourceSupernet,
  scoredImages,
  usualTuning,
} from '../methods/candidate_strength.ts';
import type { SourceRun } from '../methods/method.ts';
import { methods } from '../methods/registry.ts';
import { describeSupernet, takeOver } from '../methods/source_supernet.ts';
import type { Supernet } from '../network/supernet.ts';
import { checkOptionRules, type OptionRule, type OptionRules, record, required, text, word } from '../option_rules.ts';
import { sample } from '../random/philox.ts';
import { type AbsenceScore, type Criterion, criteria, worth } from '../select/absence.ts';
import { readAlpha } from '../select/alpha.ts';
import type { SearchSpace } from '../space/space.ts';
import { suggestion } from '../suggest.ts';
import { checkOwnDataset } from './describe.ts';
import { runRules } from './options.ts';
import { type RunImages, runDataset } from './run_dataset.ts';
import { deviceFor, type PlaceOptions, placeRules } from './runtime.ts';
import { checkSource, findSource, sourceRun } from './source.ts';
import { type ScoredEdge, type StrengthSummary, summaryOf } from './strength_summary.ts';

/** What tells how strong a candidate is: what its absence costs, or how well the network does with it alone on its edge. */
export type StrengthMeasure = 'absence' | 'alone';

/** Options of {@link findStrength}. */
export interface StrengthOptions extends PlaceOptions, RunImages {
  /** Directory of a search. */
  readonly run: string;
  /** Name of a stage of it; the last when absent. */
  readonly stage?: string;
  /** A snapshot of so many epochs that the search kept; its checkpoint when absent. */
  readonly epoch?: number;
  /** The run's space, where it began with one of its own. */
  readonly space?: SearchSpace;
  /**
   * All edges, the first and the last of every cell, edges by name such as `normal.0.1`, or a number of them at random; all when absent, or
   * with `converge` 3 at random.
   */
  readonly edges?: 'all' | 'ends' | readonly string[] | number;
  /** Score on so many of the images that the search kept to validate on, chosen at random; on all when absent. */
  readonly images?: number;
  /** Score on images as they are, in their order, rather than augmented and shuffled anew each time; false when absent. */
  readonly plainScores?: boolean;
  /** What tells how much an absence costs; `acc` when absent. */
  readonly projCrit?: Criterion;
  /** Images a batch of scores and of fine-tuning; 64 when absent. */
  readonly batchSize?: number;
  /**
   * Rather than leave candidates out, put each alone on its edge and fine-tune, for so many epochs at most: discretisation accuracy at
   * convergence.
   */
  readonly converge?: number;
  /** Epochs without a better accuracy after which fine-tuning has converged; 3 when absent. */
  readonly patience?: number;
  /** Of fine-tuning; 0.0025 when absent. */
  readonly learningRate?: number;
  /** Told how many scores, or steps of fine-tuning, are done, of how many at most. */
  readonly onProgress?: (done: number, of: number) => void;
}

/** What {@link findStrength} gives. */
export interface Strength extends StrengthSummary {
  readonly measure: StrengthMeasure;
  readonly criterion: Criterion;
  /** Name of the stage, and epochs of it that the supernet has behind it. */
  readonly stage: string;
  readonly epoch: number;
  /** How many images each score is over, and which: of a search that kept none to validate on, those that it learnt on. */
  readonly images: number;
  readonly imagesOf: ScoredImages['of'];
  /** The supernet as it is. */
  readonly whole: AbsenceScore;
}

/** Edges to choose among. */
export const strengthEdges = ['all', 'ends'] as const;

const anEdgeChoice: OptionRule = {
  words: 'all, ends, a list of edges such as normal.0.1, or how many at random',
  holds: (value) =>
    strengthEdges.includes(value as 'all') ||
    (Number.isSafeInteger(value) && Number(value) > 0) ||
    (Array.isArray(value) && value.length > 0 && value.every((name) => typeof name === 'string')),
};

const rules: OptionRules<StrengthOptions> = {
  run: required(text('a run directory')),
  stage: text('the name of a stage'),
  epoch: anInteger(1),
  space: record('a search space'),
  edges: anEdgeChoice,
  images: anInteger(2),
  plainScores: aBoolean,
  projCrit: word(criteria),
  batchSize: anInteger(1, 65536),
  converge: anInteger(1),
  patience: anInteger(1),
  learningRate: aNumber(0, 100),
  dataset: runRules.dataset,
  dataDir: runRules.dataDir,
  ...placeRules,
  onProgress: aFunction,
};

const usualPatience = 3;
/** Edges that the paper discretises. */
const usualConverged = 3;
/** What only fine-tuning has. */
const ofTuning = ['patience', 'learningRate'] as const;

/**
 * How much a search's supernet needs each candidate of its edges, beside the weight that alpha gives it: the accuracy without it, scored as a
 * selection by perturbation does (arXiv:2108.04392), or with `converge` that of the network with it alone on the edge, fine-tuned from the
 * checkpoint on. Nothing is written. Rejects with ArgumentError, FileError, DataError, BackendError, DivergedError or AbortedError.
 */
export async function findStrength(options: StrengthOptions): Promise<Strength> {
  checkOptionRules('findStrength', options, rules);
  checkOptionsOfMeasure(options);
  checkOwnDataset(options);
  throwIfAborted(options.signal);
  const { stage, source, search } = await describeSource(options);
  const edges = edgesOf(search.supernet, options, source.seed);
  const device = await deviceFor(options);
  try {
    using training = await search.openSupernet(device, { validationOrder: 'draw', seed: source.seed });
    return { stage, epoch: source.at.epoch, ...(await measured(training, edges, source, options)) };
  } finally {
    if (options.device === undefined) device.dispose();
  }
}

function checkOptionsOfMeasure(options: StrengthOptions): void {
  const { converge, plainScores } = options;
  const surplus = converge === undefined ? ofTuning.find((name) => options[name] !== undefined) : undefined;
  if (surplus !== undefined) throw new ArgumentError(`${surplus} is for converge: nothing is fine-tuned otherwise`);
  if (converge === undefined || plainScores === undefined) return;
  throw new ArgumentError('plainScores cannot be given with converge, which scores on images as they are');
}

/** The search, with its images. */
async function describeSource(options: StrengthOptions) {
  const { run: directory, stage, epoch, space, dataset: own, dataDir, workers, signal } = options;
  const { run, recorded, stage: name } = await findSource(directory, { stage, epoch }, methods);
  const source = sourceRun(recorded, space, methods);
  const { dataset: found, limit, ...read } = runDataset(run, { dataset: own, dataDir });
  const dataset = typeof found === 'string' ? await loadDataset(found, { ...read, usualLimit: limit, signal }) : found;
  const { batchSize = usualTuning.batchSize } = options;
  const settings = { ...usualTuning, batchSize };
  const context = { settings, seed: source.seed, dataset, space: '', workers, signal };
  await checkSource(recorded, source, context);
  return { stage: name, source, search: await describeSupernet(context, source) };
}

async function measured(
  training: SourceSupernet,
  edges: readonly EdgeRow[],
  source: SourceRun,
  options: StrengthOptions,
): Promise<Omit<Strength, 'stage' | 'epoch'>> {
  const { converge, projCrit: criterion = 'acc', plainScores = false, signal, onProgress } = options;
  const { patience = usualPatience, learningRate = usualTuning.learningRate } = options;
  await takeOver(training, source);
  const alpha = await readAlpha(training.supernet, training.parameters);
  const images = scoredImages(training, options.images);
  const common = { criterion, images: images.positions.length, imagesOf: images.of };
  const total = 1 + edges.reduce((sum, edge) => sum + edgeAt(training.supernet, edge).candidates.length, 0);
  const placed = (scores: readonly (readonly AbsenceScore[])[], strengthOf: (score: AbsenceScore) => number) =>
    summaryOf(edges.map((edge, i) => scoredEdge(training.supernet, edge, alpha, scores[i], strengthOf)));
  if (converge === undefined) {
    const onScore = (done: number) => onProgress?.(done, total);
    const how = { images, plainScores, epoch: source.at.epoch, signal, onScore };
    const { whole, without } = await absenceScores(training, edges, how);
    const cost = (score: AbsenceScore) => worth(whole, criterion) - worth(score, criterion);
    return { measure: 'absence', ...common, whole, ...placed(without, cost) };
  }
  const how = { images, source, epochs: converge, patience, learningRate, signal, onStep: onProgress };
  const { whole, alone } = await aloneScores(training, edges, how);
  return { measure: 'alone', ...common, whole, ...placed(alone, (score) => worth(score, criterion)) };
}

function edgeAt({ tables }: Supernet, { cell, row }: EdgeRow) {
  return tables[cell].edges[row];
}

function scoredEdge(
  supernet: Supernet,
  edge: EdgeRow,
  { alpha, mixing }: Awaited<ReturnType<typeof readAlpha>>,
  scores: readonly AbsenceScore[],
  strengthOf: (score: AbsenceScore) => number,
): ScoredEdge {
  const { node, input, candidates } = edgeAt(supernet, edge);
  const { name } = supernet.tables[edge.cell];
  const told = candidates.map(({ name: candidate }, k) => ({
    candidate,
    alpha: alpha[name][edge.row][k],
    mixing: mixing[name][edge.row][k],
    ...scores[k],
    strength: strengthOf(scores[k]),
  }));
  return { cell: edge.cell, node, input, candidates: told };
}

/** The edges that are looked at, cell by cell. Throws ArgumentError for one that there is not. */
function edgesOf({ tables }: Supernet, { edges, converge }: StrengthOptions, seed: number): EdgeRow[] {
  const which = edges ?? (converge === undefined ? 'all' : usualConverged);
  const all = Object.entries(tables).flatMap(([cell, table]) =>
    table.edges.map(({ node, input }, row) => {
      return { cell, row, name: edgeName({ cell, node, input }), isEnd: row === 0 || row === table.edges.length - 1 };
    }),
  );
  if (which === 'all') return all;
  if (which === 'ends') return all.filter(({ isEnd }) => isEnd);
  if (typeof which === 'number') {
    const drawn = sample({ seed, purpose: 'architecture', epoch: 0, step: 0 }, all.length, Math.min(which, all.length));
    return [...drawn].sort((a, b) => a - b).map((place) => all[place]);
  }
  const names = all.map(({ name }) => name);
  const unknown = which.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    const help = suggestion(unknown, names) || `: there are ${names[0]} to ${names.at(-1)}`;
    throw new ArgumentError(`the supernet has no edge '${unknown}'${help}`);
  }
  return all.filter(({ name }) => which.includes(name));
}
