// Evaluation with running statistics cuts its batch into slices that threads take side by side. A batch of one image on two threads
// is not cut: it is the oracle, image by image.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device, EvaluateCommand, Outcome, Precision } from '../../src/backend/device.ts';
import { instructionSets, openDevice } from '../../src/backend/open.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { expectSameBits } from '../helpers/compare.ts';
import { gaussian } from '../helpers/kernel_case.ts';
import { imagesOf, randomNet } from '../helpers/random_net.ts';

const batchSizes = [2, 3, 4, 5, 8, 13];
const classes = 5;
const sets = instructionSets();
const places: readonly (readonly [string, Precision])[] = [
  ...sets.map((set) => [set, 'fp32'] as const),
  [sets[0], 'bf16'],
];

type Inputs = Readonly<Record<string, Float32Array>>;

/** Inputs of a graph for a batch, by name. */
function inputsOf({ nodes }: Graph, batchSize: number): Inputs {
  const entries = nodes.flatMap((node, i) => {
    if (node.op !== 'input') return [];
    return [[node.name, Float32Array.from(gaussian(batchSize * elementsOf(node.shape), i))] as const];
  });
  return Object.fromEntries(entries);
}

/** A random supernet with the largest batch of images, its input and its logits. */
function supernetOf(seed: number) {
  const net = randomNet(seed);
  const images = imagesOf({ ...net, batchSize: Math.max(...batchSizes) }, seed);
  return { graph: net.graph, inputs: { images }, logits: net.graph.nodes[net.graph.output].inputs[0] };
}

/** Two inputs, and images so large that a slice is one: threads use their buffers again and again. */
function largeNet(): Graph {
  const builder = new GraphBuilder();
  const stems = ['left', 'right'].map((name) => {
    const input = builder.input(name, [48, 48, 3]);
    return builder.conv2d(`${name}.stem`, input, { channels: 40, kernel: 3, padding: 1 });
  });
  let x = builder.batchNorm('norm', builder.add(stems), { affine: true });
  for (const layer of ['a', 'b', 'c']) {
    x = builder.batchNorm(`${layer}.norm`, builder.conv2d(layer, builder.relu(x), { channels: 40, kernel: 1 }), {
      affine: true,
    });
  }
  return builder.finish(builder.add([x, builder.maxPool(x, { kernel: 3, padding: 1 })]));
}

describe.each(places)('a batch in slices, %s, %s', (instructionSet, precision) => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice({ backend: 'cpu', threads: 2, instructionSet });
  });
  afterAll(() => device.dispose());

  /** Evaluates samples [begin, end) as one batch. */
  async function evaluate(
    graph: Graph,
    inputs: Inputs,
    [begin, end]: readonly [number, number],
    options: Pick<EvaluateCommand, 'mixing' | 'profile' | 'read'>,
  ): Promise<Outcome> {
    using parameters = await device.createParameters(graph, { seed: 1 });
    using program = device.compile(graph, { batchSize: end - begin, parameters, precision });
    const part = graph.nodes.flatMap((node) => {
      if (node.op !== 'input') return [];
      const size = elementsOf(node.shape);
      return [[node.name, inputs[node.name].subarray(begin * size, end * size)] as const];
    });
    const labels = Int32Array.from({ length: end - begin }, (_, i) => labelOf(begin + i));
    const batch = { inputs: Object.fromEntries(part), labels };
    return program.evaluate({ batch, statistics: 'running', ...options });
  }

  /** Evaluates a batch and each of its samples alone, and compares what is read. */
  async function expectSamples(graph: Graph, inputs: Inputs, batchSize: number, read: readonly number[], name: string) {
    const together = await evaluate(graph, inputs, [0, batchSize], { read });
    for (let sample = 0; sample < batchSize; sample++) {
      const alone = await evaluate(graph, inputs, [sample, sample + 1], { read });
      for (const [id, expected] of alone.outputs ?? []) {
        const part = together.outputs!.get(id)!.subarray(sample * expected.length, (sample + 1) * expected.length);
        expectSameBits(part, expected, `${name}, sample ${sample} of ${batchSize}, node ${id}`);
      }
    }
    return together;
  }

  it('gives the bits of its images one by one, and their mean loss, in random supernets', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const { graph, inputs, logits } = supernetOf(seed);
      const batchSize = batchSizes[seed % batchSizes.length];
      const together = await expectSamples(graph, inputs, batchSize, [0, logits], `net ${seed}`);
      const expected = meanLoss(together.outputs!.get(logits)!, batchSize);
      expect(together.loss, `net ${seed}`).toBeCloseTo(expected.loss, 5);
      expect(together.correct, `net ${seed}`).toBe(expected.correct);
    }
  });

  it('gives those of every node, fused or not, of two inputs, in more slices than threads', async () => {
    const graph = largeNet();
    const fused = [graph.output, graph.nodes.findIndex(({ op }) => op === 'conv2d')];
    const all = graph.nodes.map(({ id }) => id);
    for (const read of [fused, all]) await expectSamples(graph, inputsOf(graph, 7), 7, read, `${read.length} nodes`);
  });

  it('has sums of losses between outputs, and what stands before them', async () => {
    const builder = new GraphBuilder();
    const norm = builder.batchNorm('norm', builder.input('images', [6, 6, 4]), { affine: true });
    const image = builder.detach(builder.noise(builder.tanh(builder.scale(builder.sigmoid(norm), 2))));
    const [s, t] = ['s', 't'].map((name) => builder.linear(name, builder.globalAvgPool(image), classes));
    const looked = builder.detach(t);
    const graph = builder.finish(
      builder.lossSum([
        { loss: builder.distillation(s, looked), weight: 2 },
        { loss: builder.smoothL1(builder.detach(s), looked), weight: 1 },
        { loss: builder.softmaxCrossEntropy(s), weight: 0.5 },
      ]),
    );
    const read = [norm.id, image.id, s.id, looked.id, graph.output];
    const { loss = Number.NaN, terms = [] } = await expectSamples(graph, inputsOf(graph, 13), 13, read, 'losses');
    expect(loss).toBeCloseTo(2 * terms[0] + terms[1] + 0.5 * terms[2], 6);
  });

  it('leaves out candidates of weight 0 as a whole batch does', async () => {
    const { graph, inputs, logits } = supernetOf(7);
    const alphas = graph.parameters.filter(({ role }) => role === 'alpha');
    const mixing = Object.fromEntries(
      alphas.map(({ name, shape }) => [name, new Float32Array(elementsOf(shape)).map((_, i) => (i + 1) % 2)]),
    );
    const read = [logits];
    const together = await evaluate(graph, inputs, [0, 4], { read, mixing });
    expect(together.loss).not.toBe((await evaluate(graph, inputs, [0, 4], { read })).loss);
    const alone = await evaluate(graph, inputs, [0, 1], { read, mixing });
    const first = together.outputs!.get(logits)!.subarray(0, classes);
    expectSameBits(first, alone.outputs!.get(logits)!, 'logits of the first sample');
  });

  it('is profiled with the work of the whole batch', async () => {
    const { graph, inputs } = supernetOf(3);
    const together = await evaluate(graph, inputs, [0, 8], { profile: true });
    const alone = await evaluate(graph, inputs, [0, 1], { profile: true });
    expect(together.profile?.map(({ kernel }) => kernel)).toEqual(alone.profile?.map(({ kernel }) => kernel));
    together.profile!.forEach(({ flops, bytes, seconds }, i) => {
      expect([flops, bytes]).toEqual([8 * alone.profile![i].flops, 8 * alone.profile![i].bytes]);
      expect(seconds).toBeGreaterThan(0);
    });
  });

  it('is not cut while dropout is active: that draws by the place of a sample in the batch', async () => {
    const builder = new GraphBuilder();
    const dropped = builder.dropout(builder.input('images', [2, 2, 3]), { rate: 0.3 });
    const graph = builder.finish(builder.dropout(dropped, { rate: 0.5, drops: 'samples' }));
    using parameters = await device.createParameters(graph, { seed: 0 });
    using program = device.compile(graph, { batchSize: 16, parameters, precision });
    const batch = { inputs: { images: new Float32Array(16 * 12).fill(1) }, dropout: { seed: 1, epoch: 0, step: 0 } };
    const [running, drawn] = await Promise.all(
      (['running', 'batch'] as const).map((statistics) =>
        program.evaluate({ batch, statistics, read: [graph.output] }),
      ),
    );
    const expected = drawn.outputs!.get(graph.output)!;
    expect(new Set(expected).size).toBe(2);
    expectSameBits(running.outputs!.get(graph.output)!, expected, 'what is left');
  });
});

const labelOf = (sample: number) => sample % classes;

function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** In double, from float32 logits [batch, classes]. */
function meanLoss(logits: Float32Array, batchSize: number) {
  let loss = 0;
  let correct = 0;
  for (let sample = 0; sample < batchSize; sample++) {
    const row = [...logits.subarray(sample * classes, (sample + 1) * classes)];
    loss += (Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0)) - row[labelOf(sample)]) / batchSize;
    if (row.indexOf(Math.max(...row)) === labelOf(sample)) correct++;
  }
  return { loss, correct };
}
