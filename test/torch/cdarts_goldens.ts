// What test/torch/goldens/make_cdarts.py computed with PyTorch, and what both sides start from; sizes and settings here are that
// script's. Tensors of networks have NNI's names behind `S.`, `E.` or, in a retrained network, `R.`; shared ones are S's.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TorchTensor } from '../../bench/peers/tensor_file.ts';
import { draw, goldenFolder } from './goldens.ts';

/** Of both networks of a search; images are 32x32x3. */
export const cdarts = { channels: 2, searchLayers: 3, evaluationLayers: 5, size: 32 } as const;
/** Of every search: NNI's settings. An epoch has one step of each kind. */
export const cdartsSettings = {
  ...{ epochs: 3, warmupEpochs: 1, stepsPerEpoch: 1 },
  ...{ wLr: 0.01, nasnetLr: 0.02, wMomentum: 0.9, wWeightDecay: 1e-2, gradClip: 2 },
  ...{ alphaLr: 0.04, alphaWeightDecay: 1e-3, regularCoeff: 0.002, regularRatio: 0.75, lossAlpha: 2, lossT: 1.5 },
} as const;
/** What differs between the searches, by golden. */
export const cdartsForms = {
  cdarts_shared_kl: { shareModule: true, fixHead: false, interactiveType: 'kl' },
  cdarts_shared_fixed_smoothl1: { shareModule: true, fixHead: true, interactiveType: 'smoothl1' },
  cdarts_separate_fixed_kl: { shareModule: false, fixHead: true, interactiveType: 'kl' },
  cdarts_separate_smoothl1: { shareModule: false, fixHead: false, interactiveType: 'smoothl1' },
} as const;
/** What all searches as CDARTS' authors have them differ by, those that build the evaluation network anew left out. */
const authors = {
  shareModule: true,
  stemMultiplier: 3,
  bestFirst: true,
  nasnetWarmupHalf: 'validation',
  regularised: 'max_pool_3x3 avg_pool_3x3 skip_connect',
  regularStridedSkips: true,
  regularCount: 3,
  restartOptimizers: true,
  clipTogether: true,
  nodes: 'mean',
  ensemble: 'shared',
} as const;
/** The same of each by golden: those of make_cdarts_authors.py. */
export const cdartsAuthorsForms = {
  cdarts_authors: { ...authors, interactiveType: 'smoothl1', fixHead: true },
  cdarts_authors_learnt: { ...authors, nodes: 'learnt', interactiveType: 'cosine', shareFc: true, ensembleSum: true },
  cdarts_authors_constant: { ...authors, ensemble: 'constant', regularCount: 1, interactiveType: 'l2' },
  cdarts_nasbench201: {
    ...authors,
    evaluationLayers: 6,
    stemMultiplier: 1,
    regularised: 'none',
    regularCount: 1,
    regularMean: true,
    nodes: 'sum',
    interactiveType: 'smoothl1',
  },
} as const;
/** Names of search spaces, of goldens in others than CDARTS' own. */
export const cdartsSpaces: Readonly<Partial<Record<CdartsGolden, string>>> = { cdarts_nasbench201: 'nasbench201' };
/** Any of them. */
export type CdartsGolden = keyof typeof cdartsForms | keyof typeof cdartsAuthorsForms;
/** Of the retrained networks, which have an auxiliary head. */
export const cdartsRetrained = { channels: 4, layers: 4, size: 32, steps: 3 } as const;
/** Their goldens; the other settings are `rates`, `gradClip` and `training` of goldens.ts. */
export const cdartsRetrainedNames = ['cdarts_retrained', 'cdarts_retrained_others'] as const;
const drawing = 7;
/** Of goldens whose batches are others: with those a ReLU's element lies so near zero that float32 decides on which side. */
const drawings: Readonly<Record<string, number | undefined>> = { cdarts_authors: 6, cdarts_retrained_others: 8 };

/** The name for `drawBatch` of a golden's batch; either half counts its batches through the search. */
export function cdartsBatch(golden: string, half: 'train' | 'validation', index: number): string {
  return `${drawings[golden] ?? drawing} ${half} ${index}`;
}

/**
 * The logits that an edge begins with, by its key (`normal_n2_p0`, or `1<-0` of NAS-Bench-201); by that of a node (`normal_n2`) how much its
 * edges count, where nodes learn that.
 */
export function cdartsLogits(key: string, count: number): Float32Array {
  return Float32Array.from(draw(key, count), (value) => 0.25 * value);
}

/** The first value of a weight, `[out, in / groups, height, width]`, `[out, in]` or `[size]`. */
export function cdartsWeight(name: string, shape: readonly number[]): TorchTensor {
  const product = (lengths: readonly number[]) => lengths.reduce((size, length) => size * length, 1);
  const values = draw(name, product(shape));
  const scale = Math.sqrt(product(shape.slice(1)));
  const around = name.endsWith('weight') ? 1 : 0;
  return { shape, data: values.map((value) => Math.fround(shape.length === 1 ? value / 4 + around : value / scale)) };
}

/** Tensors by name as goldens keep them: by part of the network one sum with random signs a tensor, in the order of their names. */
export function checksums(group: string, tensors: ReadonlyMap<string, TorchTensor>): Map<string, TorchTensor> {
  const parts = new Map<string, number[]>();
  for (const name of [...tensors.keys()].sort()) {
    const path = name.split('.');
    const part = path.slice(0, ['cells', 'aux_head'].includes(path[1]) ? 3 : 2).join('.');
    parts.set(part, [...(parts.get(part) ?? []), checksum(tensors.get(name)!)]);
  }
  return new Map(
    [...parts].map(([part, sums]) => [`${group}.${part}`, { shape: [sums.length], data: Float64Array.from(sums) }]),
  );
}

function checksum({ data }: TorchTensor): number {
  const signs = draw('signs', data.length);
  const sum = data.reduce((total, value, i) => total + (signs[i] < 0 ? -value : value), 0);
  return sum / Math.sqrt(data.length);
}

/** The files that a search writes of its decisions, by name. */
export function decisionFiles(golden: CdartsGolden, folder = goldenFolder): Map<string, string> {
  const names = readdirSync(join(folder, golden)).sort();
  return new Map(names.map((name) => [name, readFileSync(join(folder, golden, name), 'utf8')]));
}
