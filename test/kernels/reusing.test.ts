// Parameters that one graph uses several times: groups of them, micro-batches, running statistics; and what a builder refuses. That
// kernels agree with the float64 reference is in the tables of cases.ts.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Device, Program } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import { ArgumentError } from '../../src/errors.ts';
import { GraphBuilder, type Tensor } from '../../src/graph/builder.ts';
import { allBackends } from '../helpers/backends.ts';
import { expectClose, expectSameBits } from '../helpers/compare.ts';
import { gaussian } from '../helpers/kernel_case.ts';

const batchSize = 3;

/** Two networks of one stem, whose norm moves fast, and one classifier; a body of its own each. */
function twins() {
  const builder = new GraphBuilder().reusing();
  const images = builder.input('images', [6, 6, 3]);
  const stem = (x: Tensor) => {
    const inner = builder.inGroup('stem').within('stem');
    const convolved = inner.conv2d('conv', x, { channels: 4, kernel: 3, padding: 1 });
    return inner.batchNorm('bn', convolved, { affine: true, momentum: 0.5 });
  };
  const [first, second] = ['first', 'second'].map((name, i) => {
    const body = builder.inGroup(name).within(name);
    const seen = body.conv2d('conv', stem(builder.scale(images, 1 + i)), { channels: 5, kernel: 3 });
    return builder.inGroup('head').linear('head', builder.globalAvgPool(builder.relu(seen)), 3);
  });
  return builder.finish(
    builder.lossSum([
      { loss: builder.distillation(first, second), weight: 2 },
      { loss: builder.softmaxCrossEntropy(first), weight: 1 },
      { loss: builder.softmaxCrossEntropy(second), weight: 0.5 },
    ]),
  );
}

const graph = twins();
const batchOf = (step: number) => ({
  inputs: { images: Float32Array.from(gaussian(batchSize * 108, step)) },
  labels: Int32Array.of(0, 1, 2),
});

describe.each(allBackends)('shared parameters on $name', (backend) => {
  let device: Device;
  let parameters: Parameters;
  let program: Program;

  beforeEach(async () => {
    device = await openDevice(backend.device);
    parameters = await device.createParameters(graph, { seed: 3 });
    program = device.compile(graph, { batchSize, parameters });
  });

  afterEach(() => {
    for (const each of [program, parameters, device]) each.dispose();
  });

  const read = () => parameters.store.read('weightGradients');
  const fill = (value: number) =>
    parameters.store.write('weightGradients', 0, new Float32Array(parameters.map.totals.weight).fill(value));

  it.each([[['stem']], [['head']], [['first', 'head']], [['second', 'stem']]])(
    'the gradients of %s alone are those of all, and others stay',
    async (groups) => {
      await program.gradients({ batch: batchOf(1), target: 'both' });
      const whole = await read();
      await fill(7);
      await program.gradients({ batch: batchOf(1), target: 'both', groups });
      const found = await read();
      for (const [name, { offset, size }] of parameters.map.groups) {
        const expected = groups.includes(name) ? whole.slice(offset, offset + size) : new Float32Array(size).fill(7);
        expectClose(found.subarray(offset, offset + size), Float64Array.from(expected), { name, tolerance: 1e-6 });
      }
    },
  );

  it('the gradients of micro-batches add up', async () => {
    await program.gradients({ batch: batchOf(1), target: 'weights' });
    const first = await read();
    await program.gradients({ batch: batchOf(2), target: 'weights' });
    const sum = Float64Array.from(await read(), (value, i) => value + first[i]);
    await fill(0);
    for (const step of [1, 2]) await program.gradients({ batch: batchOf(step), target: 'weights', accumulate: true });
    expectClose(await read(), sum, { name: 'sum', tolerance: 1e-6 });
  });

  it('running statistics move once a use, in the order of the nodes, also in an evaluation that moves them', async () => {
    const stem = graph.nodes.find((node) => node.op === 'conv2d')!;
    const { outputs } = await program.evaluate({ batch: batchOf(1), statistics: 'batch', read: [stem.id] });
    const mean = (channel: number) => {
      const values = outputs!.get(stem.id)!.filter((_, i) => i % 4 === channel);
      return values.reduce((sum, value) => sum + value, 0) / values.length;
    };
    // The second network sees twice the image: from 0 to half of m, then to half of that and half of 2m.
    const expected = Float64Array.from([0, 1, 2, 3], (channel) => 1.25 * mean(channel));
    await program.evaluate({ batch: batchOf(1), statistics: 'moving' });
    const moved = (await parameters.get('stem.bn.running_mean')).data;
    expectClose(moved, expected, { name: 'running mean', tolerance: 1e-6 });
  });

  it('results have the same bits however threads run', async () => {
    const run = async (owner: Parameters, compiled: Program) => {
      await compiled.gradients({ batch: batchOf(1), target: 'weights' });
      return [await owner.store.read('weightGradients'), await owner.store.read('buffers')];
    };
    const one = await run(parameters, program);
    for (const { title, device: options } of backend.others) {
      using other = await openDevice(options);
      using owner = await other.createParameters(graph, { seed: 3 });
      using compiled = other.compile(graph, { batchSize, parameters: owner });
      for (const [i, values] of (await run(owner, compiled)).entries()) expectSameBits(values, one[i], title);
    }
  });
});

describe('a builder that is reusing', () => {
  const declare = (builder: GraphBuilder, channels = 4) =>
    builder.conv2d('conv', builder.input('x', [4, 4, 3]), { channels, kernel: 1 });

  it('declares what there is not, takes what there is, and hands that on', () => {
    const builder = new GraphBuilder();
    declare(builder.within('a'));
    declare(builder.reusing().within('a').inGroup('own').within('b'));
    const y = declare(builder.reusing().within('a'));
    expect(builder.finish(y).parameters.map(({ name }) => name)).toEqual(['a.conv.weight', 'a.b.conv.weight']);
  });

  it('refuses a parameter of another shape, role or group, and other builders one that there is', () => {
    const builder = new GraphBuilder();
    declare(builder);
    expect(() => declare(builder)).toThrow(/has a parameter conv\.weight already: reusing\(\)/);
    expect(() => declare(builder.reusing(), 5)).toThrow(ArgumentError);
    expect(() => declare(builder.reusing(), 5)).toThrow('the graph has another parameter conv.weight');
    expect(() => declare(builder.reusing().inGroup('other'))).toThrow('another parameter conv.weight');
    expect(() => builder.reusing().alpha('conv.weight', [4, 4, 4])).toThrow('another parameter conv.weight');
  });
});
