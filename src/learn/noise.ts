// Noise on skip connections that fades over the epochs of a search: an experiment of the FairDARTS code (arXiv:1911.12126). And that of
// candidates which are nothing but noise, which every pass draws.
import type { Batch, DropoutDraw } from '../backend/device.ts';
import { endsOf } from '../backend/graph_ends.ts';
import type { Graph, NoiseDistribution } from '../graph/graph.ts';
import { choice, flag, integer, type SettingTable } from '../setting_rules.ts';

/** How its scale falls from 1 to 0. */
export const noiseSchedules = ['cosine', 'linear'] as const;

/** What decides it. */
export interface NoiseSettings {
  readonly noiseDarts: boolean;
  readonly noiseType: 'N' | 'U';
  /** Epoch in which it is gone. */
  readonly maxStep: number;
  readonly noiseSchedule: (typeof noiseSchedules)[number];
}

/** The settings of methods that may have it. */
export const noiseRules = {
  noiseDarts: flag(false, 'add noise that fades to skip connections of stride 1, while alpha and weights learn'),
  noiseType: choice('N', ['N', 'U'], 'of that noise: N is standard normal, U one of the integers from -3 to 2'),
  maxStep: integer(30, 1, 1e6, 'epoch in which that noise is gone'),
  noiseSchedule: choice('cosine', noiseSchedules, 'how that noise fades: cosine or linear'),
} satisfies SettingTable;

/** What its letter means. */
export const noiseDistributionOf: Readonly<Record<NoiseSettings['noiseType'], NoiseDistribution>> = {
  N: 'normal',
  U: 'integers',
};

/** What it is multiplied by in an epoch (from 0). */
export function noiseScale({ noiseDarts, noiseSchedule, maxStep }: NoiseSettings, epoch: number): number {
  if (!noiseDarts || epoch >= maxStep) return 0;
  if (noiseSchedule === 'cosine') return (1 + Math.cos((Math.PI * epoch) / maxStep)) / 2;
  // The published one is a list of maxStep values from 1 to 0.
  return maxStep === 1 ? 1 : 1 - epoch / (maxStep - 1);
}

/** What names the numbers of an evaluation. */
export type EvaluationDraw = Pick<DropoutDraw, 'seed' | 'epoch' | 'step'>;

/** Steps from here on are those of evaluations, whose noise so is not that of a step of training. */
const firstEvaluationStep = 2 ** 31;

/** A batch to evaluate a graph with: where every pass of the graph draws noise, with what that is drawn from, and nothing is dropped. */
export function evaluationBatch<B extends Batch>(batch: B, graph: Graph, { seed, epoch, step }: EvaluationDraw): B {
  if (!endsOf(graph).draws || batch.dropout !== undefined) return batch;
  return { ...batch, dropout: { seed, epoch, step: firstEvaluationStep + step, drops: false } };
}
