// What test/torch/goldens/make_rnn.py computed with PyTorch in float64, and all that it computed it from. Tensors have the names of the
// published state dict; a list of all weights is one vector, in flat order.
import type { TorchTensor } from '../../bench/peers/tensor_file.ts';
import { type Golden, readGolden } from './goldens.ts';

/** One pass over `[time, columns]` tokens, by golden: the cell that is run. `NAME` of `gradient.NAME` and `statistics.NAME` is a tensor's. */
export const rnnPasses = {
  rnn_search: 'search',
  rnn_search_short: 'search',
  rnn_search_wide: 'search',
  rnn_darts_v1: 'DARTS_V1',
  rnn_darts_v2: 'DARTS_V2',
  rnn_darts_v2_short: 'DARTS_V2',
  rnn_darts_v2_wide: 'DARTS_V2',
  rnn_enas: 'ENAS',
} as const;
/** Five weight steps of the cell of DARTS_V2. */
export const rnnTrainings = ['rnn_sgd', 'rnn_sgd_groups', 'rnn_asgd', 'rnn_asgd_current_rate'] as const;
/** Three steps of a search. */
export const rnnSearches = [
  'rnn_first_order',
  'rnn_first_order_zero_at_wrap',
  'rnn_first_order_groups',
  'rnn_first_order_groups_added',
  'rnn_second_order',
  'rnn_second_order_new_embedding',
  'rnn_second_order_same_masks',
  'rnn_second_order_unclipped',
  'rnn_second_order_clamped',
  'rnn_second_order_repaired',
] as const;
/** A whole text that is scored, by golden: the cell. */
export const rnnScores = { rnn_score_search: 'search', rnn_score_enas: 'ENAS' } as const;

/** By the published names: `[words, 1]`, `[1, columns, n]`, `[columns, n]`, `[columns, n]`, `[1, columns, n]`. */
export const rnnMasks = ['e', 'i', 'x', 'h', 'output'] as const;
export type RnnMasks = Readonly<Record<(typeof rnnMasks)[number], TorchTensor>>;
/** The passes of a search step, in their order; first order has the masks of `validation` and `weights`. */
export type RnnPass = 'unrolled' | 'validation' | 'plus' | 'minus' | 'weights';

/** A golden with its inputs; `exact` and `float32` hold results alone. */
export interface RnnGolden extends Golden {
  /**
   * Weights, `alpha` and running statistics by name; of a pass `tokens`, `targets`, `hidden`; of steps the texts `train` and `validation`
   * `[rows, columns]`, and of each step its row `rows` and the length that was drawn `lengths`; of a score `text`. Masks: `masksOf`.
   */
  readonly given: ReadonlyMap<string, TorchTensor>;
  /** By the names of language_training.py; switches are 0 or 1. */
  readonly settings: Readonly<Record<string, number>>;
}

/** Reads one of them. */
export function readRnnGolden(name: string): RnnGolden {
  const { exact, float32 } = readGolden(name);
  const parts = { given: new Map<string, TorchTensor>(), setting: new Map<string, TorchTensor>() };
  const results = new Map<string, TorchTensor>();
  for (const [key, tensor] of exact) {
    const [first] = key.split('.');
    if (first === 'given' || first === 'setting') parts[first].set(key.slice(first.length + 1), tensor);
    else results.set(key, tensor);
  }
  const settings = Object.fromEntries([...parts.setting].map(([key, { data }]) => [key, data[0]]));
  return { exact: results, float32, given: parts.given, settings };
}

/** Names of the weights in flat order. */
export function weightNames({ given }: RnnGolden): string[] {
  const nodes = [...given.keys()].filter((name) => name.startsWith('rnns.0._Ws.'));
  return ['encoder.weight', 'rnns.0._W0', ...nodes, 'decoder.bias'];
}

/** Of a tensor that has steps (and column groups) in front, one step's (and one group's). */
export function rowOf({ shape, data }: TorchTensor, ...indices: readonly number[]): TorchTensor {
  const rest = shape.slice(indices.length);
  const size = rest.reduce((product, length) => product * length, 1);
  const place = indices.reduce((sum, index, axis) => sum * shape[axis] + index, 0);
  return { shape: rest, data: data.slice(place * size, (place + 1) * size) };
}

/** The masks of a pass's golden, or of a step's group, in a search of one of its passes. */
export function masksOf({ given }: RnnGolden, at?: { step: number; group: number; pass?: RnnPass }): RnnMasks {
  const prefix = at?.pass === undefined ? 'mask' : `mask.${at.pass}`;
  const masks = rnnMasks.map((name) => {
    const all = given.get(`${prefix}.${name}`)!;
    return [name, at === undefined ? all : rowOf(all, at.step, at.group)];
  });
  return Object.fromEntries(masks) as RnnMasks;
}
