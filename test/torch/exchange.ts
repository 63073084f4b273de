// One set of values for our networks and for PyTorch's, each in its own layout, and how far apart the answers are. The
// layouts are converted here and not by src/io, which these tests are to find fault with.
import type { TorchTensor } from '../../bench/peers/tensor_file.ts';
import type { DirectBatch } from '../../src/backend/device.ts';
import { initialValues } from '../../src/backend/initial_values.ts';
import { type ParameterMap, placeParameters } from '../../src/backend/parameter_map.ts';
import type { NamedTensor } from '../../src/backend/parameters.ts';
import type { ParameterLayout } from '../../src/graph/graph.ts';
import { median } from '../../src/kernels/statistics.ts';
import { buildSupernet } from '../../src/network/supernet.ts';
import { normal } from '../../src/random/philox.ts';

/** Sizes of the compared supernet as the peer names them; images are 8x8x3. */
export const network = { channels: 4, layers: 5, classes: 10, inputs: 3 };
/** Of the hypergradient's unrolled step. */
export const rates = { learningRate: 0.025, momentum: 0.9, weightDecay: 3e-4 };
export const batchSize = 8;
/** [height, width, channels] */
export const imageShape = [8, 8, 3] as const;

/** The compared supernet. */
export const supernet = buildSupernet({
  inputShape: imageShape,
  classes: network.classes,
  initChannels: network.channels,
  layers: network.layers,
});

type LabelledBatch = Required<Pick<DirectBatch, 'inputs' | 'labels'>>;

/** What both sides start from: arenas in our layout, and two batches. */
export interface Given {
  readonly map: ParameterMap;
  readonly weights: Float32Array;
  readonly alpha: Float32Array;
  readonly momentum: Float32Array;
  readonly train: LabelledBatch;
  readonly validation: LabelledBatch;
}

/** Seeded values. Alphas are N(0,1), far from the published 1e-3·N(0,1), so that a row in the wrong place would show. */
export function givenValues(): Given {
  const map = placeParameters(supernet.graph);
  const weights = initialValues(map, 'weight', 5);
  const alpha = new Float32Array(map.totals.alpha);
  const momentum = new Float32Array(map.totals.weight);
  let step = 10;
  for (const { spec, offset, size } of map.places.values()) {
    if (spec.role === 'alpha') alpha.set(random(step++, size), offset);
    if (spec.role === 'weight')
      momentum.set(
        random(step++, size).map((value) => 0.01 * value),
        offset,
      );
  }
  return { map, weights, alpha, momentum, train: randomBatch(1), validation: randomBatch(2) };
}

/** The same values for the peer's `check`. */
export function torchTensors({ map, weights, alpha, momentum, train, validation }: Given): Map<string, TorchTensor> {
  const tensors = new Map<string, TorchTensor>();
  for (const [name, { spec, offset, size }] of map.places) {
    const tensor = (arena: Float32Array) => {
      return toTorch({ shape: spec.shape, data: arena.slice(offset, offset + size) }, spec.layout);
    };
    if (spec.role === 'alpha') tensors.set(name, tensor(alpha));
    if (spec.role === 'weight') tensors.set(name, tensor(weights)).set(`momentum.${name}`, tensor(momentum));
  }
  for (const [name, { inputs, labels }] of Object.entries({ train, validation })) {
    const images = { shape: [batchSize, ...imageShape], data: Float64Array.from(inputs.images) };
    tensors.set(`${name}.images`, permuted(images, [0, 3, 1, 2]));
    tensors.set(`${name}.labels`, { shape: [batchSize], data: Float64Array.from(labels) });
  }
  return tensors;
}

/** A parameter or its gradient in PyTorch's layout. */
export function toTorch(
  { shape, data }: NamedTensor | { shape: readonly number[]; data: Float64Array },
  layout: ParameterLayout,
): TorchTensor {
  const axes = { conv: [3, 2, 0, 1], linear: [1, 0], plain: shape.map((_, axis) => axis) }[layout];
  return permuted({ shape, data: Float64Array.from(data) }, axes);
}

/** What {@link toTorch} makes of a parameter, in our layout again. */
export function fromTorch({ shape, data }: TorchTensor, layout: ParameterLayout): TorchTensor {
  const axes = { conv: [2, 3, 1, 0], linear: [1, 0], plain: shape.map((_, axis) => axis) }[layout];
  return permuted({ shape, data }, axes);
}

/**
 * ‖actual - expected‖ / ‖expected‖ of each tensor; infinite where one is missing, has another shape or holds a NaN. A tensor
 * whose values should vanish is measured against a thousandth of what the named tensors usually hold.
 */
export function deviations(
  names: readonly string[],
  actual: ReadonlyMap<string, TorchTensor>,
  expected: ReadonlyMap<string, TorchTensor>,
): number[] {
  const sizes = names.map((name) => rootMeanSquare(expected.get(name)!.data));
  const floor = 1e-3 * median(sizes);
  return names.map((name, index) => {
    const { shape, data } = expected.get(name)!;
    const ours = actual.get(name);
    if (ours?.shape.join() !== shape.join()) return Number.POSITIVE_INFINITY;
    const relative = rootMeanSquare(data.map((value, i) => ours.data[i] - value)) / Math.max(sizes[index], floor);
    return Number.isNaN(relative) ? Number.POSITIVE_INFINITY : relative;
  });
}

/**
 * The named tensors that are further from the exact ones than float32 must be, one line each. The yardstick is PyTorch's own
 * float32: the same rounding in another order. Ten times it is still far below what a wrong term would make; the median stands in
 * for tensors where PyTorch was lucky.
 */
export function strays(
  names: readonly string[],
  actual: ReadonlyMap<string, TorchTensor>,
  single: ReadonlyMap<string, TorchTensor>,
  exact: ReadonlyMap<string, TorchTensor>,
): string[] {
  const theirs = deviations(names, single, exact);
  return deviations(names, actual, exact).flatMap((value, index) => {
    const limit = 10 * Math.max(theirs[index], median(theirs));
    return value <= limit ? [] : [`${names[index]}: ${value.toExponential(2)} above ${limit.toExponential(2)}`];
  });
}

function random(step: number, count: number): Float64Array {
  return normal({ seed: 5, purpose: 'weights', epoch: 1, step }, count);
}

function randomBatch(step: number): LabelledBatch {
  const count = imageShape.reduce<number>((product, length) => product * length, batchSize);
  const labels = Int32Array.from({ length: batchSize }, (_, index) => (index * 7 + step) % network.classes);
  return { inputs: { images: Float32Array.from(random(step, count)) }, labels };
}

function rootMeanSquare(values: Float64Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}

/** The tensor with its axes in another order: axis i of the result is axis `axes[i]` of the given one. */
export function permuted({ shape, data }: TorchTensor, axes: readonly number[]): TorchTensor {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, length) => product * length, 1));
  const target = axes.map((axis) => shape[axis]);
  const values = new Float64Array(data.length);
  for (let index = 0; index < values.length; index++) {
    let rest = index;
    let source = 0;
    for (let axis = target.length - 1; axis >= 0; axis--) {
      source += (rest % target[axis]) * strides[axes[axis]];
      rest = Math.floor(rest / target[axis]);
    }
    values[index] = data[source];
  }
  return { shape: target, data: values };
}
