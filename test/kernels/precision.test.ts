// bf16: what the fused kernels store for each other is rounded, and nothing else. The oracle is the float64 reference with
// the same rounding.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device, Precision } from '../../src/backend/device.ts';
import { instructionSets, openDevice } from '../../src/backend/open.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import type { Graph, Node } from '../../src/graph/graph.ts';
import { buildSupernet } from '../../src/network/supernet.ts';
import { runReference } from '../../src/reference/interpreter.ts';
import { dartsCandidates, depthwiseSeparable } from '../helpers/candidates.ts';
import { directBatch, type PreparedCase, prepareGraph } from '../helpers/kernel_case.ts';

// A value within float32 round-off of the middle between two bfloat16 numbers may rightly go either way; that changes few
// outputs, by no more than a step of 8 bits times the little gain of this net. All others agree as float32 does.
const shareThatMayDiffer = 0.02;
const relativeTolerance = 2e-5;
const relativeStep = 2 ** -7;

/** One mixed edge of candidates that fuse, at an odd size; the output is the edge's sum. */
function mixedEdge(channels: number, stride: 1 | 2): Graph {
  const builder = new GraphBuilder();
  const x = builder.input('x', [9, 10, channels]);
  const alpha = builder.alpha('alphas', [3, 8]);
  const separables = [
    depthwiseSeparable(3, { stride }),
    depthwiseSeparable(5, { stride }),
    depthwiseSeparable(3, { stride, dilation: 2 }),
  ];
  const first = builder.within('a').mixed(x, separables, { alpha, row: 0 });
  if (stride === 2) return builder.finish(first);
  return builder.finish(builder.add([first, builder.within('b').mixed(x, dartsCandidates(1), { alpha, row: 1 })]));
}

/** Nearest bfloat16, halves to even, of a float64 that float32 arithmetic would have rounded to float32 first. */
function toBfloat16(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer);
  bits[0] = (bits[0] + 0x7fff + ((bits[0] >>> 16) & 1)) & 0xffff0000;
  return new Float32Array(bits.buffer)[0];
}

/** Rounds what a fused separable stores: the pointwise convolution behind a depthwise one. */
function roundSeparables(graph: Graph) {
  return (node: Node, output: Float64Array): Float64Array => {
    if (node.op !== 'conv2d') return output;
    const source = graph.nodes[node.inputs[0]];
    const stored = source.op === 'conv2d' && source.groups > 1 && node.groups === 1;
    return stored ? output.map(toBfloat16) : output;
  };
}

async function outputOf(device: Device, prepared: PreparedCase, precision: Precision): Promise<Float32Array> {
  const { graph, batchSize } = prepared;
  using parameters = await device.createParameters(graph, { seed: 0 });
  for (const [name, values] of prepared.parameters) await parameters.set(name, Float32Array.from(values));
  using program = device.compile(graph, { batchSize, parameters, precision });
  const { outputs } = await program.evaluate({
    batch: directBatch(prepared),
    statistics: 'batch',
    read: [graph.output],
  });
  return outputs?.get(graph.output) ?? new Float32Array();
}

describe.each(instructionSets())('bf16, %s', (instructionSet) => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice({ threads: 2, instructionSet });
  });
  afterAll(() => device.dispose());

  it.each([
    [3, 1],
    [16, 1],
    [21, 1],
    [35, 2],
    [64, 2],
  ] as const)(
    '%i channels, stride %i: rounds what is stored to the nearest, halves to even',
    async (channels, stride) => {
      const graph = mixedEdge(channels, stride);
      const prepared = prepareGraph(graph, 3);
      const keep = roundSeparables(graph);
      const expected = runReference(graph, { ...prepared, training: true, keep }).outputs[graph.output];
      const largest = Math.max(...expected.map(Math.abs));
      const actual = await outputOf(device, prepared, 'bf16');
      expect(actual.length).toBe(expected.length);
      const errors = [...actual].map((value, i) => Math.abs(value - expected[i]) / largest);
      expect(Math.max(...errors)).toBeLessThan(relativeStep);
      const apart = errors.filter((error) => !(error < relativeTolerance)).length;
      expect(apart / errors.length).toBeLessThan(shareThatMayDiffer);
      // The same net in float32 is another one.
      const exact = await outputOf(device, prepared, 'fp32');
      const moved = [...actual].filter((value, i) => Math.abs(value - exact[i]) / largest > relativeTolerance).length;
      expect(moved / errors.length).toBeGreaterThan(0.5);
    },
  );
});

describe('a supernet in bf16', () => {
  const { graph } = buildSupernet({ inputShape: [16, 16, 3], classes: 5, initChannels: 8, layers: 3 });
  const batchSize = 6;
  const prepared = prepareGraph(graph, batchSize);

  /** All gradients of one pass. */
  async function gradients(threads: number, precision: Precision) {
    using device = await openDevice({ threads });
    using parameters = await device.createParameters(graph, { seed: 1 });
    using program = device.compile(graph, { batchSize, parameters, precision });
    const batch = directBatch(prepared);
    const { loss } = await program.gradients({ batch, target: 'both' });
    const values = new Map<string, Float32Array>();
    for (const name of [...parameters.names('weight'), ...parameters.names('alpha')]) {
      values.set(name, (await parameters.gradient(name)).data);
    }
    return { loss: loss ?? Number.NaN, values, memory: await program.memory() };
  }

  it('takes little more than half of the memory', async () => {
    const [single, half] = [await gradients(2, 'fp32'), await gradients(2, 'bf16')];
    expect(half.memory.weights).toBeLessThan(0.7 * single.memory.weights);
  });

  it('has nearly the same loss and gradients', async () => {
    const [single, half] = [await gradients(2, 'fp32'), await gradients(2, 'bf16')];
    expect(Math.abs(half.loss - single.loss)).toBeLessThan(0.01 * single.loss);
    let [error, size] = [0, 0];
    for (const [name, values] of single.values) {
      const rounded = half.values.get(name)!;
      values.forEach((value, i) => {
        error += (rounded[i] - value) ** 2;
        size += value ** 2;
      });
    }
    // Each stored activation is off by up to 2^-8 of itself; relus at their kinks and batch norms over small images grow it.
    const relative = Math.sqrt(error / size);
    expect(relative).toBeGreaterThan(1e-4);
    expect(relative).toBeLessThan(0.1);
  });

  it('has the same bits with any number of threads', async () => {
    const one = await gradients(1, 'bf16');
    for (const threads of [2, 3]) {
      const several = await gradients(threads, 'bf16');
      expect(several.loss).toBe(one.loss);
      for (const [name, values] of one.values) expect(several.values.get(name), name).toEqual(values);
    }
  });

  it('refuses a precision that nobody knows', async () => {
    using device = await openDevice({ threads: 1 });
    using parameters = await device.createParameters(graph, { seed: 1 });
    const precision = 'fp16' as Precision;
    expect(() => device.compile(graph, { batchSize, parameters, precision })).toThrow(
      "expected one of fp32, tf32, bf16 for precision but received 'fp16'",
    );
  });
});
