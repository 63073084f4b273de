// Evaluation with running statistics cuts its batch into slices that threads take side by side. A batch
// of one image on two threads is not cut: it is the oracle, image by image.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device, EvaluateCommand, Outcome } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { expectSameBits } from '../helpers/compare.ts';
import { imagesOf, randomNet } from '../helpers/random_net.ts';

const batchSizes = [2, 3, 4, 5, 8, 13];
const classes = 5;

let device: Device;
beforeAll(async () => {
  device = await openDevice({ backend: 'cpu', threads: 2 });
});
afterAll(() => device.dispose());

type Options = Pick<EvaluateCommand, 'mixing' | 'profile'>;

/** Evaluates images [batch, ...] as one batch. */
async function evaluate(
  { graph, parameters }: { graph: Graph; parameters: Parameters },
  images: Float32Array,
  read: readonly number[],
  options: Options = {},
): Promise<Outcome> {
  const [input] = graph.nodes;
  const batchSize = images.length / input.shape.reduce((product, length) => product * length, 1);
  using program = device.compile(graph, { batchSize, parameters });
  const labels = Int32Array.from({ length: batchSize }, (_, sample) => sample % classes);
  return program.evaluate({ batch: { inputs: { images }, labels }, statistics: 'running', read, ...options });
}

/** What is read of a random net: its images and its logits. */
async function netOf(seed: number) {
  const net = randomNet(seed);
  const parameters = await device.createParameters(net.graph, { seed });
  const { graph } = net;
  const images = imagesOf({ ...net, batchSize: Math.max(...batchSizes) }, seed);
  const logits = graph.nodes[graph.output].inputs[0];
  const size = net.shape.reduce((product, length) => product * length, 1);
  return { graph, parameters, images, size, read: [0, logits], logits, [Symbol.dispose]: () => parameters.dispose() };
}

describe('a batch in slices', () => {
  it('gives the bits of its images one by one, and their mean loss, in random supernets', async () => {
    for (let seed = 0; seed < 40; seed++) {
      using net = await netOf(seed);
      const batchSize = batchSizes[seed % batchSizes.length];
      const images = net.images.subarray(0, batchSize * net.size);
      const together = await evaluate(net, images, net.read);
      for (let sample = 0; sample < batchSize; sample++) {
        const image = images.subarray(sample * net.size, (sample + 1) * net.size);
        const alone = await evaluate(net, image, net.read);
        for (const [id, expected] of alone.outputs ?? []) {
          const part = together.outputs!.get(id)!.subarray(sample * expected.length, (sample + 1) * expected.length);
          expectSameBits(part, expected, `net ${seed}, sample ${sample} of ${batchSize}, node ${id}`);
        }
      }
      const expected = meanLoss(together.outputs!.get(net.logits)!, batchSize);
      expect(together.loss, `net ${seed}`).toBeCloseTo(expected.loss, 5);
      expect(together.correct, `net ${seed}`).toBe(expected.correct);
    }
  });

  it('leaves out candidates of weight 0 as a whole batch does', async () => {
    using net = await netOf(7);
    const alphas = net.graph.parameters.filter(({ role }) => role === 'alpha');
    const mixing = Object.fromEntries(
      alphas.map(({ name, shape }) => [
        name,
        new Float32Array(shape.reduce((a, b) => a * b)).map((_, i) => (i + 1) % 2),
      ]),
    );
    const images = net.images.subarray(0, 4 * net.size);
    const together = await evaluate(net, images, [net.logits], { mixing });
    const free = await evaluate(net, images, [net.logits]);
    expect(together.loss).not.toBe(free.loss);
    const alone = await evaluate(net, images.subarray(0, net.size), [net.logits], { mixing });
    const logits = together.outputs!.get(net.logits)!.subarray(0, classes);
    expectSameBits(logits, alone.outputs!.get(net.logits)!, 'logits of the first sample');
  });

  it('is profiled with the work of the whole batch', async () => {
    using net = await netOf(3);
    const images = net.images.subarray(0, 8 * net.size);
    const together = await evaluate(net, images, [], { profile: true });
    const alone = await evaluate(net, images.subarray(0, net.size), [], { profile: true });
    expect(together.profile?.map(({ kernel }) => kernel)).toEqual(alone.profile?.map(({ kernel }) => kernel));
    together.profile!.forEach(({ flops, bytes, seconds }, i) => {
      expect([flops, bytes]).toEqual([8 * alone.profile![i].flops, 8 * alone.profile![i].bytes]);
      expect(seconds).toBeGreaterThan(0);
    });
  });
});

describe('a batch whose dropout is active', () => {
  it('draws by the place of a sample in the batch, whichever the statistics', async () => {
    const builder = new GraphBuilder();
    const images = builder.input('images', [2, 2, 3]);
    const graph = builder.finish(
      builder.dropout(builder.dropout(images, { rate: 0.3 }), { rate: 0.5, drops: 'samples' }),
    );
    using parameters = await device.createParameters(graph, { seed: 0 });
    using program = device.compile(graph, { batchSize: 16, parameters });
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

/** In double, from float32 logits [batch, classes]; sample i is of class i % classes. */
function meanLoss(logits: Float32Array, batchSize: number) {
  let loss = 0;
  let correct = 0;
  for (let sample = 0; sample < batchSize; sample++) {
    const row = [...logits.subarray(sample * classes, (sample + 1) * classes)];
    const own = row[sample % classes];
    loss += (Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0)) - own) / batchSize;
    if (row.indexOf(Math.max(...row)) === sample % classes) correct++;
  }
  return { loss, correct };
}
