// Random supernets in small, and how far two ways of running one differ.
import { expect } from 'vitest';
import type { Device } from '../../src/backend/device.ts';
import { GraphBuilder, type Tensor } from '../../src/graph/builder.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { applyOperation, type OperationContext, operations } from '../../src/operation/operations.ts';
import { normal, uniform } from '../../src/random/philox.ts';
import { runReference } from '../../src/reference/interpreter.ts';

/** A stream of small random integers: `draw(n)` is in [0, n). */
function drawer(seed: number): (bound: number) => number {
  const values = uniform({ seed, purpose: 'split', epoch: 0, step: 0 }, 4096);
  let next = 0;
  return (bound) => Math.floor(values[next++] * bound);
}

/** How a supernet's cell builds its candidates. */
const context = (channels: number, stride: 1 | 2, affine: boolean): OperationContext => ({
  layer: 'random net',
  channels,
  stride,
  affine,
  normalisePooling: true,
});

/** A graph with a loss, and what it is run on. */
export interface RandomNet {
  readonly graph: Graph;
  readonly batchSize: number;
  readonly shape: readonly [number, number, number];
}

/** One or two summing nodes over edges with random candidate sets, strides, channels and sizes. */
export function randomNet(seed: number): RandomNet {
  const draw = drawer(seed);
  const stride = draw(2) === 0 ? 1 : 2;
  const side = () => (stride === 2 ? 2 * (3 + draw(4)) : 5 + draw(8));
  const shape = [side(), side(), 2 * (1 + draw(12))] as const;
  const [, , channels] = shape;
  const builder = new GraphBuilder();
  const images = builder.input('images', shape);
  const affine = seed % 3 === 2;
  const names = Object.keys(operations).filter((name) => name !== 'conv_7x1_1x7' && name !== 'noise');
  const edges = Array.from({ length: 1 + draw(3) }, () =>
    Array.from({ length: 1 + draw(8) }, () => names[draw(names.length)]),
  );
  const alpha = builder.alpha('alphas', [...edges.map((edge) => edge.length), 2], 0.5);
  // States with a batch norm in front, as a cell's inputs have.
  const states = ['a', 'b'].map((name) => {
    const convolved = builder.conv2d(name, images, { channels, kernel: 1 });
    return builder.batchNorm(`${name}.norm`, convolved, { affine: false });
  });
  const mixed = edges.map((edge, row) => {
    const input = states[draw(2)];
    const branches = edge.map((name) => ({
      name,
      build: (inner: GraphBuilder, x: Tensor) =>
        applyOperation({ name, build: operations[name] }, inner, x, context(channels, stride, affine)),
    }));
    return builder.within(`edge${row}`).mixed(input, branches, { alpha, row });
  });
  const sum = builder.add(mixed);
  const last = builder.within('last').mixed(
    sum,
    ['sep_conv_3x3', 'skip_connect'].map((name) => ({
      name,
      build: (inner: GraphBuilder, x: Tensor) =>
        applyOperation({ name, build: operations[name] }, inner, x, context(channels, 1, affine)),
    })),
    { alpha, row: edges.length, activation: 'softmax' },
  );
  const logits = builder.linear(
    'classifier',
    builder.globalAvgPool(draw(2) === 0 ? last : builder.concat([last, sum])),
    5,
  );
  return { graph: builder.finish(builder.softmaxCrossEntropy(logits)), batchSize: 4 + draw(4), shape };
}

/** Its images for a seed. */
export function imagesOf({ batchSize, shape }: RandomNet, seed: number): Float32Array {
  const stream = { seed, purpose: 'weights', epoch: 1, step: 0 } as const;
  return Float32Array.from(normal(stream, batchSize * shape[0] * shape[1] * shape[2]));
}

/** Its labels. */
export function labelsOf({ batchSize }: RandomNet): Int32Array {
  return Int32Array.from({ length: batchSize }, (_, i) => i % 5);
}

/** A training pass of the reference, from the parameters that a device draws. */
async function inFloat64(
  device: Device,
  net: RandomNet,
  seed: number,
  mixing?: Readonly<Record<string, Float64Array>>,
) {
  const drawn = await device.createParameters(net.graph, { seed });
  const parameters = new Map<string, Float64Array>();
  for (const { name } of net.graph.parameters) {
    parameters.set(name, Float64Array.from((await drawn.get(name)).data));
  }
  drawn.dispose();
  const inputs = { images: Float64Array.from(imagesOf(net, seed)) };
  return runReference(net.graph, { ...net, parameters, inputs, labels: labelsOf(net), training: true, mixing });
}

/** The gradients of such a pass, by name. */
export async function exactGradients(device: Device, net: RandomNet, seed: number): Promise<Map<string, Float32Array>> {
  const { gradients } = await inFloat64(device, net, seed);
  return new Map([...gradients].map(([name, values]) => [`gradient of ${name}`, Float32Array.from(values)]));
}

/** The smallest distance of any relu's input from 0 in float64; exact zeros are no matter of rounding. */
export async function distanceToKink(
  device: Device,
  net: RandomNet,
  seed: number,
  mixing?: Readonly<Record<string, Float64Array>>,
): Promise<number> {
  const { outputs } = await inFloat64(device, net, seed, mixing);
  let closest = Number.POSITIVE_INFINITY;
  for (const node of net.graph.nodes) {
    if (node.op !== 'relu') continue;
    for (const value of outputs[node.inputs[0]]) if (value !== 0) closest = Math.min(closest, Math.abs(value));
  }
  return closest;
}

/** The largest difference relative to the largest value among all results of that kind. */
export function difference(fused: ReadonlyMap<string, Float32Array>, plain: ReadonlyMap<string, Float32Array>) {
  const kindOf = (name: string) =>
    name.startsWith('gradient of alphas') ? 'alpha' : name.startsWith('gradient') ? 'weights' : name;
  const largest = new Map<string, number>();
  for (const [name, values] of plain) {
    const kind = kindOf(name);
    for (const value of values) largest.set(kind, Math.max(largest.get(kind) ?? 0, Math.abs(value)));
  }
  let worst = { name: '', relative: 0 };
  for (const [name, values] of plain) {
    const scale = largest.get(kindOf(name)) ?? 0;
    const actual = fused.get(name) ?? new Float32Array();
    expect(actual.length).toBe(values.length);
    values.forEach((value, i) => {
      const relative = scale === 0 ? Math.abs(actual[i]) : Math.abs(actual[i] - value) / scale;
      if (!(relative <= worst.relative)) worst = { name: `${name}[${i}]`, relative };
    });
  }
  return worst;
}
