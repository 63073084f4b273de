// How much a supernet needs each candidate of an edge: how it does without one, or with one alone (DARTS-PT, arXiv:2108.04392).
import { DivergedError, throwIfAborted } from '../errors.ts';
import type { CellKey } from '../genotype/genotype.ts';
import { type PlannedBatch, shuffledBatches, validationBatches } from '../learn/search_batches.ts';
import { sample } from '../random/philox.ts';
import type { AbsenceScore } from '../select/absence.ts';
import { type RowsByTable, readAlpha } from '../select/alpha.ts';
import type { AlternatingSettings, GivenRows } from './alternating_parts.ts';
import type { SourceRun } from './method.ts';
import { projectionPresets } from './projection/settings.ts';
import { takeOver } from './source_supernet.ts';
import type { SupernetTraining } from './supernet_training.ts';

/** The settings of a selection, as published: its scores' batches, and its fine-tuning. */
export const usualTuning = projectionPresets.paper.settings;

/** A supernet as its search has left it. */
export type SourceSupernet = SupernetTraining<AlternatingSettings>;

/** An edge: a row of a cell's table. */
export interface EdgeRow {
  readonly cell: CellKey;
  readonly row: number;
}

/** Images that are scored on. */
export interface ScoredImages {
  /** Those that the search kept to validate on or, where it kept none, those that it learnt on. */
  readonly of: 'train' | 'validation';
  /** In the dataset. */
  readonly positions: Uint32Array;
}

/** All images that can be scored on or, of more, as many at random, the same for one seed; in their order. */
export function scoredImages({ source }: SourceSupernet, count = Number.POSITIVE_INFINITY): ScoredImages {
  const of = source.validation.length > 0 ? 'validation' : 'train';
  const all = source[of];
  if (count >= all.length) return { of, positions: all };
  const places = sample({ seed: source.seed, purpose: 'split', epoch: 0, step: 1 }, all.length, count).sort();
  return { of, positions: Uint32Array.from(places, (place) => all[place]) };
}

/** Options of {@link absenceScores}. */
export interface AbsenceOptions {
  readonly images: ScoredImages;
  /** Whether images are scored as they are, in their order. */
  readonly plainScores: boolean;
  /** Epochs of the search: no random number comes twice. */
  readonly epoch: number;
  readonly signal?: AbortSignal;
  /** Told after each pass how many are done. */
  readonly onScore?: (done: number) => void;
}

/** How a supernet does as it is, and edge by edge without each candidate, by statistics of batches. Rejects with AbortedError. */
export async function absenceScores(
  training: SourceSupernet,
  edges: readonly EdgeRow[],
  options: AbsenceOptions,
): Promise<{ readonly whole: AbsenceScore; readonly without: readonly (readonly AbsenceScore[])[] }> {
  const { supernet, parameters } = training;
  const { mixing } = await readAlpha(supernet, parameters);
  let pass = 0;
  const score = async (given: GivenRows) => {
    const found = await scorePass(training, given, pass, options);
    options.onScore?.(++pass);
    return found;
  };
  const whole = await score({});
  const without: AbsenceScore[][] = [];
  for (const edge of edges) {
    const weights = rowOf(training, mixing, edge);
    const scores: AbsenceScore[] = [];
    for (const absent of weights.keys()) {
      const left = weights.map((weight, candidate) => (candidate === absent ? 0 : weight));
      scores.push(await score(rowGiven(training, edge, left)));
    }
    without.push(scores);
  }
  return { whole, without };
}

async function scorePass(
  training: SourceSupernet,
  mixing: GivenRows,
  pass: number,
  { images: { of, positions }, plainScores, epoch, signal }: AbsenceOptions,
): Promise<AbsenceScore> {
  const source = { ...training.source, validation: positions };
  const planned: PlannedBatch[] = plainScores ? validationBatches(source) : shuffledBatches(source, epoch, pass);
  const draws = plainScores ? {} : { epoch, firstDraw: (1 + pass) * planned.length };
  const { accuracy, loss } = await training.score(planned, { ...draws, statistics: 'batch', mixing, of, signal });
  return { accuracy, loss };
}

/** Options of {@link aloneScores}. */
export interface AloneOptions {
  readonly images: ScoredImages;
  readonly source: Pick<SourceRun, 'checkpoint' | 'at'>;
  /** Of fine-tuning, at most. */
  readonly epochs: number;
  /** Epochs without a better accuracy after which it stands still. */
  readonly patience: number;
  readonly learningRate: number;
  readonly signal?: AbortSignal;
  /** Told after each step how many are done, and how many there are at most. */
  readonly onStep?: (done: number, steps: number) => void;
}

/** A candidate that has its edge for itself, fine-tuned. */
export interface AloneScore extends AbsenceScore {
  /** Epoch by epoch, before the first one too. */
  readonly accuracies: readonly number[];
}

/**
 * How a supernet does as it is, and edge by edge with each candidate alone there, fine-tuned until it stands still: always from the
 * checkpoint on, and with the same batches. By running statistics, the best epoch of each. Rejects with AbortedError or DivergedError.
 */
export async function aloneScores(
  training: SourceSupernet,
  edges: readonly EdgeRow[],
  options: AloneOptions,
): Promise<{ readonly whole: AbsenceScore; readonly alone: readonly (readonly AloneScore[])[] }> {
  const { epochs } = options;
  const whole = await scorePlain(training, {}, options);
  const counts = edges.map((edge) => candidatesOf(training, edge));
  const most = epochs * training.steps;
  let left = counts.reduce((sum, count) => sum + count, 0);
  let done = 0;
  const alone: AloneScore[][] = [];
  for (const [index, edge] of edges.entries()) {
    const scores: AloneScore[] = [];
    for (let candidate = 0; candidate < counts[index]; candidate++) {
      const kept = Array.from({ length: counts[index] }, (_, k) => (k === candidate ? 1 : 0));
      const before = done;
      const onStep = () => options.onStep?.(++done, before + left * most);
      scores.push(await tunedScore(training, rowGiven(training, edge, kept), options, onStep));
      left--;
    }
    alone.push(scores);
  }
  return { whole, alone };
}

async function tunedScore(
  training: SourceSupernet,
  given: GivenRows,
  options: AloneOptions,
  onStep: () => void,
): Promise<AloneScore> {
  const { source, epochs, patience, learningRate, signal } = options;
  await takeOver(training, source);
  let best = await scorePlain(training, given, options);
  const accuracies = [best.accuracy];
  for (let [epoch, still] = [0, 0]; epoch < epochs && still < patience; epoch++) {
    for (let step = 0; step < training.steps; step++) {
      throwIfAborted(signal);
      const update = source.at.updates + epoch * training.steps + step;
      const at = { epoch: source.at.epoch + epoch, step };
      const { loss } = await training.step(at, { learningRate, update, given });
      if (!Number.isFinite(loss)) throw new DivergedError(`the loss became ${loss} while fine-tuning`, epoch, step);
      onStep();
    }
    const score = await scorePlain(training, given, options);
    accuracies.push(score.accuracy);
    still = score.accuracy > best.accuracy ? 0 : still + 1;
    if (still === 0) best = score;
  }
  return { ...best, accuracies };
}

async function scorePlain(
  training: SourceSupernet,
  mixing: GivenRows,
  { images: { of, positions }, signal }: AloneOptions,
): Promise<AbsenceScore> {
  const planned = validationBatches({ ...training.source, validation: positions });
  const { accuracy, loss } = await training.score(planned, { mixing, of, signal });
  return { accuracy, loss };
}

function candidatesOf({ supernet }: SourceSupernet, { cell, row }: EdgeRow): number {
  return supernet.tables[cell].edges[row].candidates.length;
}

function rowOf({ supernet }: SourceSupernet, mixing: RowsByTable, { cell, row }: EdgeRow): readonly number[] {
  return mixing[supernet.tables[cell].name][row];
}

/** One row of mixing weights; the others follow from alpha. */
function rowGiven({ supernet }: SourceSupernet, { cell, row }: EdgeRow, weights: readonly number[]): GivenRows {
  const { name, edges } = supernet.tables[cell];
  return { [name]: edges.map((_, index) => (index === row ? Float32Array.from(weights) : undefined)) };
}
