// What test/torch/goldens/make.py computed with PyTorch in float64, and what both sides start from; the sizes and the formulas here
// are that script's.
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { readTensors, type TorchTensor } from '../../bench/peers/tensor_file.ts';
import type { DirectBatch } from '../../src/backend/device.ts';
import { type ParameterMap, type ParameterPlace, valueArenas } from '../../src/backend/parameter_map.ts';
import type { Genotype, GenotypeCell, GenotypeEdge } from '../../src/genotype/genotype.ts';
import { parseGenotype } from '../../src/genotype/text.ts';
import { root } from '../helpers/process.ts';
import { deviations, fromTorch, toTorch } from './exchange.ts';

export const classes = 10;
export const batchSize = 4;
export const searchSteps = 5;
export const searched = { channels: 2, layers: 3, size: 8 };
export const derived = { channels: 4, layers: 4, size: 32 };
export const rates = { learningRate: 0.025, momentum: 0.9, weightDecay: 3e-4 };
export const gradClip = 5;
export const arch = { archLearningRate: 0.02, archWeightDecay: 1e-3 };
/** FairDARTS' by golden: its form of the zero-one loss, and of how many levels it is. */
export const fairForms = {
  fairdarts_two_levels: { sepLoss: 'l2', singleLevel: false },
  fairdarts_one_level: { sepLoss: 'l1', singleLevel: true },
} as const;
export const fairRates = { archLrGamma: 0.9, auxLossWeight: 10 };
/** StacNAS' two stages by golden: the side of the images, and the weight of an auxiliary head's loss. */
export const stages = {
  stacnas_search1: { size: searched.size, auxWeight: 0 },
  stacnas_search2: { size: 24, auxWeight: 0.4 },
} as const;
export const stageClip = 3;
/** NAS-Bench-201's networks by golden: those of a search and, with the cell's structure, those that are trained. */
export const nasbench201 = {
  nasbench201_supernet_16: { channels: 2, layers: 3, size: 16, structure: undefined },
  nasbench201_supernet_32: { channels: 4, layers: 6, size: 32, structure: undefined },
  nasbench201_cell: {
    ...{ channels: 4, layers: 6, size: 16 },
    structure: '|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|skip_connect~2|',
  },
  nasbench201_skips: {
    ...{ channels: 4, layers: 3, size: 32 },
    structure: '|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|',
  },
  nasbench201_others: {
    ...{ channels: 4, layers: 3, size: 16 },
    structure: '|nor_conv_7x7~0|+|dua_sepc_3x3~0|max_pool_3x3~1|+|dil_sepc_5x5~0|dua_sepc_5x5~1|dil_sepc_3x3~2|',
  },
} as const;
export const training = { labelSmoothing: 0.1, auxiliaryWeight: 0.4 };
const drawing = 'c';
const kept = 16;

const edge = (operation: string, input: number): GenotypeEdge => ({ operation, input });
const normal: GenotypeCell = {
  nodes: [
    [edge('sep_conv_5x5', 1), edge('avg_pool_3x3', 0)],
    [edge('conv_7x1_1x7', 0), edge('dil_conv_5x5', 2)],
  ],
  concat: [2, 3],
};
const reduce: GenotypeCell = {
  nodes: [
    [edge('conv_7x1_1x7', 0), edge('skip_connect', 1)],
    [edge('sep_conv_5x5', 1), edge('avg_pool_3x3', 0)],
  ],
  concat: [2, 3],
};
/** The operations that DARTS_V2 lacks. */
export const otherOperations = { normal, reduce };

/** Several operations on edges, a node before others of smaller number, an isolated one, sources that are passed over. */
export const triples = parseGenotype(`Genotype(normal=[
  ('sep_conv_3x3', 5, 1), ('dil_conv_3x3', 2, 0), ('max_pool_3x3', 5, 0), ('skip_connect', 5, 1), ('sep_conv_5x5', 5, 2),
  ('skip_connect', 5, 0), ('dil_conv_5x5', 4, 3), ('avg_pool_3x3', 4, 2), ('skip_connect', 4, 2), ('sep_conv_3x3', 4, 1),
  ('max_pool_3x3', 4, 1)], normal_concat=range(2, 6), reduce=[
  ('skip_connect', 3, 0), ('sep_conv_3x3', 3, 0), ('avg_pool_3x3', 3, 1), ('dil_conv_3x3', 5, 3), ('skip_connect', 5, 1),
  ('dil_conv_5x5', 5, 4), ('max_pool_3x3', 4, 1), ('skip_connect', 4, 3)], reduce_concat=range(2, 6))`);

const weighed = (operation: string, input: number, weight?: number): GenotypeEdge => ({ operation, input, weight });
/** Nodes w1·op1 + w2·op2 with constant weights. */
export const weighted: Genotype = {
  normal: {
    nodes: [
      [weighed('skip_connect', 0, 0.2386), weighed('sep_conv_3x3', 1, 0.234)],
      [weighed('dil_conv_3x3', 2, 0.99), weighed('max_pool_3x3', 0, 0.01)],
    ],
    concat: [2, 3],
  },
  reduce: {
    nodes: [
      [weighed('avg_pool_3x3', 0, 0.1), weighed('skip_connect', 1, 0.9)],
      [weighed('skip_connect', 2, 0.5), weighed('max_pool_3x3', 0)],
    ],
    concat: [2, 3],
  },
};

/** One golden file. */
export interface Golden {
  /** Tensors by name: whole, or of groups such as `gradient.NAME` the {@link digest}. */
  readonly exact: ReadonlyMap<string, TorchTensor>;
  /** How far PyTorch's float32 is from a group's tensors where it is furthest. */
  readonly float32: ReadonlyMap<string, number>;
}

/** Where the goldens and their script lie. */
export const goldenFolder = join(root, 'test/torch/goldens');
/** Their names. */
export const goldenNames = [
  'supernet',
  'search_first_order',
  'search_second_order',
  'fairdarts_two_levels',
  'fairdarts_one_level',
  'stacnas_search1',
  'stacnas_search2',
  'derived_darts_v2',
  'derived_other_operations',
  'derived_triples',
  'derived_weighted',
  'derived_normalised_pooling',
  'nasbench201_supernet_16',
  'nasbench201_supernet_32',
  'nasbench201_cell',
  'nasbench201_skips',
  'nasbench201_others',
  'projected_s3',
  'projected_s5',
  'sdarts_rows',
  'sdarts_attack_s3',
  'sdarts_attack_s5',
  'selection_acc',
  'selection_loss',
] as const;

/** Reads `NAME.safetensors` of a folder. */
export function readGolden(name: string, folder = goldenFolder): Golden {
  const all = [...readTensors(join(folder, `${name}.safetensors`))];
  const isError = (key: string) => key.startsWith('float32.');
  return {
    exact: new Map(all.filter(([key]) => !isError(key))),
    float32: new Map(all.filter(([key]) => isError(key)).map(([key, { data }]) => [key.split('.')[1], data[0]])),
  };
}

/** How far tensors are from a golden's where they are furthest, by group; groups that are not there count as infinitely far. */
export function distances({ exact, float32 }: Golden, ours: ReadonlyMap<string, TorchTensor>): Map<string, number> {
  const names = [...exact.keys()];
  return new Map(
    [...float32.keys()].map((group) => {
      const ofGroup = names.filter((name) => name.split('.')[0] === group);
      return [group, Math.max(...deviations(ofGroup, ours, exact))];
    }),
  );
}

/** `count` numbers of [-1, 1), exact in float32, from a name. */
export function draw(name: string, count: number): Float64Array {
  const seed = crc32(name);
  return Float64Array.from({ length: count }, (_, index) => {
    let x = (Math.imul(index, 0x9e3779b9) + seed) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
    return ((x ^ (x >>> 16)) >>> 8) / 2 ** 23 - 1;
  });
}

/** Arenas in our layout that hold what PyTorch's side starts from as well. */
export function drawArenas(
  map: ParameterMap,
): Record<'weights' | 'buffers' | 'alpha' | 'momentum' | 'states', Float32Array> {
  const arenas = {
    weights: new Float32Array(map.totals.weight),
    buffers: new Float32Array(map.totals.buffer),
    alpha: new Float32Array(map.totals.alpha),
    momentum: new Float32Array(map.totals.weight),
    states: new Float32Array(map.totals.state),
  };
  for (const [name, place] of map.places) {
    const { spec, offset, size } = place;
    const isGiven = spec.role !== 'buffer' || spec.untrained;
    const statistics = new Float64Array(size).fill(name.endsWith('running_var') ? 1 : 0);
    arenas[valueArenas[spec.role]].set(isGiven ? given(name, place) : statistics, offset);
    if (spec.role === 'weight') {
      const momentum = draw(`momentum.${name}`, size).map((value) => 0.01 * value);
      arenas.momentum.set(ours(momentum, place), offset);
    }
  }
  return arenas;
}

/** A parameter's first value, in our layout: `given` of make.py. */
function given(name: string, place: ParameterPlace): Float64Array {
  const values = draw(name, place.size);
  const { shape } = torchForm(values, place);
  if (shape.length === 1) return values.map((value) => value / 4 + (name.endsWith('weight') ? 1 : 0));
  if (place.spec.role === 'alpha') return values;
  const scale = Math.sqrt(shape.slice(1).reduce((product, length) => product * length, 1));
  return ours(
    values.map((value) => value / scale),
    place,
  );
}

function ours(data: Float64Array, place: ParameterPlace): Float64Array {
  return fromTorch(torchForm(data, place), place.spec.layout).data;
}

/** Values in PyTorch's order with the shape that they have there. */
function torchForm(data: Float64Array, { spec }: ParameterPlace): TorchTensor {
  return { shape: toTorch({ shape: spec.shape, data }, spec.layout).shape, data };
}

/** The bytes of one batch's images, `[batch, size, size, 3]`, and their labels. */
export function drawBytes(name: string, size: number): { images: Uint8Array; labels: Int32Array } {
  const drawn = `${name} ${drawing}`;
  const values = draw(drawn, batchSize * size * size * 3);
  const first = crc32(drawn);
  return {
    images: Uint8Array.from(values, (value) => Math.floor((value + 1) * 128)),
    labels: Int32Array.from({ length: batchSize }, (_, index) => (7 * index + first) % classes),
  };
}

/** The same batch, normalised to [-1, 1). */
export function drawBatch(name: string, size: number): Required<Pick<DirectBatch, 'inputs' | 'labels'>> {
  const { images, labels } = drawBytes(name, size);
  return { inputs: { images: Float32Array.from(images, (byte) => (byte / 255 - 0.5) / 0.5) }, labels };
}

/**
 * A small tensor as one row; of another one, in PyTorch's order, elements at equal distances and, last, a sum with random signs that
 * no element can leave unseen.
 */
export function digest({ data }: TorchTensor): TorchTensor {
  const { length } = data;
  if (length <= kept) return { shape: [length], data };
  const signs = draw('signs', length);
  const sum = data.reduce((total, value, i) => total + (signs[i] < 0 ? -value : value), 0);
  const values = Float64Array.from({ length: kept }, (_, i) => data[Math.floor((i * length) / (kept - 1))]);
  values[kept - 1] = sum / Math.sqrt(length);
  return { shape: [kept], data: values };
}
