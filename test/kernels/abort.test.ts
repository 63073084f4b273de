// Aborting, order, disposal, and calls that must end in an exception: whatever is handed over, the process lives.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Command, Device, DeviceDataset, GatheredBatch, Program } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Arena } from '../../src/backend/parameter_map.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import { AbortedError, ArgumentError, BackendError } from '../../src/errors.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { expectSameBits } from '../helpers/compare.ts';
import { makeHostileCalls } from '../helpers/hostile_process.ts';
import { directBatch, prepareGraph } from '../helpers/kernel_case.ts';
import { slowBatch, slowBatchSize, slowNetwork } from '../helpers/slow_network.ts';
import { tinySupernet } from '../helpers/tiny_supernet.ts';

const unrolling = { learningRate: 0.1, momentum: 0.9, weightDecay: 3e-4 };
const kept: readonly Arena[] = ['weights', 'momentum', 'alpha', 'alphaMean', 'alphaVariance'];

function readAll(parameters: Parameters, arenas: readonly Arena[]): Promise<Float32Array[]> {
  return Promise.all(arenas.map((arena) => parameters.store.read(arena)));
}

async function millisOf(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

describe('an AbortSignal', () => {
  const graph = slowNetwork();
  const batch = slowBatch(graph);
  let device: Device;
  let parameters: Parameters;
  let program: Program;

  beforeAll(async () => {
    device = await openDevice({ threads: 2 });
    parameters = await device.createParameters(graph, { seed: 1 });
    program = device.compile(graph, { batchSize: slowBatchSize, parameters });
    await parameters.store.write('momentum', 0, await parameters.store.read('weights'));
  });

  afterAll(() => {
    program.dispose();
    parameters.dispose();
    device.dispose();
  });

  const passes: readonly [string, (signal?: AbortSignal) => Promise<unknown>][] = [
    ['gradients', (signal) => program.gradients({ batch, target: 'both', signal })],
    ['evaluation in slices', (signal) => program.evaluate({ batch, statistics: 'running', signal })],
    ['hypergradient', (signal) => program.hypergradient({ train: batch, validation: batch, ...unrolling, signal })],
  ];

  /** Starts a pass and aborts it after some milliseconds; whether that came before its end. */
  async function abortAfter(millis: number, start: (signal: AbortSignal) => Promise<unknown>): Promise<boolean> {
    const controller = new AbortController();
    const ended = start(controller.signal).then(
      () => undefined,
      (error: unknown) => error,
    );
    await new Promise((resolve) => setTimeout(resolve, millis));
    controller.abort();
    const error = await ended;
    if (error !== undefined) expect(error).toBeInstanceOf(AbortedError);
    return error !== undefined;
  }

  describe.each(passes)('during %s', (_, start) => {
    it('leaves weights, momentum, alpha and its moments with their bits, wherever it strikes', async () => {
      const before = await readAll(parameters, kept);
      const whole = await millisOf(start);
      let struck = 0;
      for (const share of [0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95]) {
        if (await abortAfter(share * whole, start)) struck++;
        const after = await readAll(parameters, kept);
        kept.forEach((arena, i) => {
          expectSameBits(after[i], before[i], `${arena} after an abort at ${share} of the pass`);
        });
      }
      expect(struck).toBeGreaterThan(0);
    });

    it('leaves the device as it was', async () => {
      const gradients: readonly Arena[] = ['weightGradients', 'alphaGradients'];
      await start();
      const before = await readAll(parameters, gradients);
      let aborted = false;
      // A busy machine may wake the timer after the pass.
      for (let attempt = 0; attempt < 10 && !aborted; attempt++) aborted = await abortAfter(5, start);
      expect(aborted).toBe(true);
      await start();
      const after = await readAll(parameters, gradients);
      gradients.forEach((arena, i) => {
        expectSameBits(after[i], before[i], arena);
      });
    });
  });

  it('that was aborted before keeps anything from running', async () => {
    const before = await readAll(parameters, kept);
    const signal = AbortSignal.abort();
    const sgd: Command = { kind: 'sgd', parameters, ...unrolling, maxNorm: Infinity };
    await expect(device.execute([sgd], { signal })).rejects.toThrow(AbortedError);
    await expect(program.gradients({ batch, target: 'both', signal })).rejects.toThrow(AbortedError);
    const after = await readAll(parameters, kept);
    kept.forEach((arena, i) => {
      expectSameBits(after[i], before[i], arena);
    });
  });

  it('stops what waits behind another pass, which runs to its end', async () => {
    const running = program.gradients({ batch, target: 'both' });
    const controller = new AbortController();
    const waiting = program.gradients({ batch, target: 'both', signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toThrow(AbortedError);
    await expect(running).resolves.toHaveProperty('loss');
  });

  it('stops a list of commands where it is: later ones do not run', async () => {
    const before = await parameters.store.read('weights');
    // So many that the timer of a busy machine comes before their end.
    const passes = new Array<Command>(20).fill({ kind: 'gradients', program, batch, target: 'both' });
    const commands: Command[] = [...passes, { kind: 'sgd', parameters, ...unrolling, maxNorm: Infinity }];
    expect(await abortAfter(2, (signal) => device.execute(commands, { signal }))).toBe(true);
    expectSameBits(await parameters.store.read('weights'), before, 'weights');
  });

  it('that is aborted after the end changes nothing', async () => {
    const controller = new AbortController();
    const { loss } = await program.evaluate({ batch, statistics: 'batch', signal: controller.signal });
    controller.abort();
    expect((await program.evaluate({ batch, statistics: 'batch' })).loss).toBe(loss);
  });
});

const graph = tinySupernet();
const batchSize = 4;
const batch = directBatch(prepareGraph(graph, batchSize));

/** A device with what one needs on it; all freed with it. */
async function workplace() {
  const device = await openDevice({ threads: 2 });
  const parameters = await device.createParameters(graph, { seed: 2 });
  const program = device.compile(graph, { batchSize, parameters });
  const labels = Int32Array.of(0, 1, 2, 3, 4);
  const dataset = await device.createDataset({ images: new Uint8Array(5 * 8 * 8 * 3), labels, shape: [8, 8, 3] });
  const dispose = () => {
    for (const each of [program, parameters, dataset, device]) each.dispose();
  };
  return { device, parameters, program, dataset, [Symbol.dispose]: dispose };
}

function gathered(dataset: DeviceDataset, indices: readonly number[] = [0, 1, 2, 3]): GatheredBatch {
  const normalisation = { mean: [0.5, 0.5, 0.5], deviation: [0.2, 0.2, 0.2] };
  return {
    dataset,
    indices: Uint32Array.from(indices),
    augmentation: { ...normalisation, pad: 0, flip: false, cutout: 0 },
  };
}

describe('commands', () => {
  const updates = (parameters: Parameters, program: Program): Command[] => [
    { kind: 'gradients', program, batch, target: 'alpha' },
    { kind: 'adam', parameters, learningRate: 0.1, betas: [0.5, 0.999], epsilon: 1e-8, weightDecay: 0, step: 1 },
    { kind: 'gradients', program, batch, target: 'weights' },
    { kind: 'sgd', parameters, ...unrolling, maxNorm: 5 },
    { kind: 'hypergradient', program, train: batch, validation: batch, ...unrolling },
    { kind: 'evaluate', program, batch, statistics: 'running' },
  ];

  it('queued one after another keep their order, at once or awaited each', async () => {
    using listed = await workplace();
    using queued = await workplace();
    using awaited = await workplace();
    const outcomes = await listed.device.execute(updates(listed.parameters, listed.program));
    const settled: number[] = [];
    const promises = updates(queued.parameters, queued.program).map(async (command, i) => {
      const [outcome] = await queued.device.execute([command]);
      settled.push(i);
      return outcome;
    });
    const late = queued.parameters.store.read('weights');
    const one = [];
    for (const command of updates(awaited.parameters, awaited.program)) {
      one.push((await awaited.device.execute([command]))[0]);
    }
    expect(await Promise.all(promises)).toEqual(outcomes);
    expect(one).toEqual(outcomes);
    expect(settled).toEqual([0, 1, 2, 3, 4, 5]);
    expectSameBits(await late, await listed.parameters.store.read('weights'), 'weights read behind the queue');
  });

  it('read and write parameters in their turn', async () => {
    using place = await workplace();
    const { parameters, program } = place;
    const { data } = await parameters.get('classifier.bias');
    const before = program.evaluate({ batch, statistics: 'batch' });
    const writing = parameters.set(
      'classifier.bias',
      data.map((_, i) => 3 * i),
    );
    const after = program.evaluate({ batch, statistics: 'batch' });
    await writing;
    await parameters.set('classifier.bias', data);
    expect((await after).loss).not.toBe((await before).loss);
    expect((await program.evaluate({ batch, statistics: 'batch' })).loss).toBe((await before).loss);
  });

  it('do not see what the caller writes into his arrays afterwards', async () => {
    using place = await workplace();
    const { loss } = await place.program.evaluate({ batch, statistics: 'batch' });
    const images = batch.inputs.images.slice();
    const labels = batch.labels!.slice();
    const pending = place.program.evaluate({ batch: { inputs: { images }, labels }, statistics: 'batch' });
    images.fill(7);
    labels.fill(0);
    expect((await pending).loss).toBe(loss);
  });

  it('may be none', async () => {
    using place = await workplace();
    expect(await place.device.execute([])).toEqual([]);
  });
});

describe('objects of another device are refused', () => {
  it.each<[string, (own: Place, other: Place) => Promise<unknown>]>([
    [
      'a program',
      (own, other) => own.device.execute([{ kind: 'evaluate', program: other.program, batch, statistics: 'batch' }]),
    ],
    [
      'the parameters of a program',
      (own, other) => {
        const program = own.device.compile(graph, { batchSize, parameters: other.parameters });
        return program.gradients({ batch, target: 'both' });
      },
    ],
    [
      'the parameters of an sgd step',
      (own, other) => own.device.execute([{ kind: 'sgd', parameters: other.parameters, ...unrolling, maxNorm: 5 }]),
    ],
    ['a dataset', (own, other) => own.program.evaluate({ batch: gathered(other.dataset), statistics: 'batch' })],
  ])('%s', async (_, use) => {
    using own = await workplace();
    using other = await workplace();
    await expect((async () => use(own, other))()).rejects.toThrow(ArgumentError);
  });
});

type Place = Awaited<ReturnType<typeof workplace>>;

const uses: Readonly<Record<string, (place: Place) => unknown>> = {
  createParameters: ({ device }) => device.createParameters(graph, { seed: 0 }),
  createDataset: ({ device }) =>
    device.createDataset({ images: new Uint8Array(3), labels: Int32Array.of(0), shape: [1, 1, 3] }),
  compile: ({ device, parameters }) => device.compile(graph, { batchSize, parameters }),
  execute: ({ device }) => device.execute([]),
  memory: ({ program }) => program.memory(),
  gradients: ({ program }) => program.gradients({ batch, target: 'both' }),
  hypergradient: ({ program }) => program.hypergradient({ train: batch, validation: batch, ...unrolling }),
  'evaluate a gathered batch': ({ program, dataset }) =>
    program.evaluate({ batch: gathered(dataset), statistics: 'batch' }),
  sgd: ({ device, parameters }) => device.execute([{ kind: 'sgd', parameters, ...unrolling, maxNorm: 5 }]),
  get: ({ parameters }) => parameters.get('stem.0.weight'),
  set: ({ parameters }) => parameters.set('classifier.bias', new Float32Array(5)),
};

describe.each<['device' | 'program' | 'parameters' | 'dataset', readonly (keyof typeof uses)[]]>([
  ['device', Object.keys(uses)],
  ['program', ['memory', 'gradients', 'hypergradient', 'evaluate a gathered batch']],
  ['parameters', ['gradients', 'hypergradient', 'sgd', 'get', 'set']],
  ['dataset', ['evaluate a gathered batch']],
])('after dispose of the %s', (what, names) => {
  it.each(names)('%s gives a BackendError', async (name) => {
    using place = await workplace();
    place[what].dispose();
    await expect((async () => uses[name](place))()).rejects.toThrow(BackendError);
  });

  it('another dispose does nothing', async () => {
    using place = await workplace();
    place[what].dispose();
    expect(() => place[what].dispose()).not.toThrow();
  });

  it('a pass that runs already ends as if nothing had happened', async () => {
    using place = await workplace();
    const batchOfImages = gathered(place.dataset);
    const { loss } = await place.program.evaluate({ batch: batchOfImages, statistics: 'batch' });
    const running = place.program.evaluate({ batch: batchOfImages, statistics: 'batch' });
    place[what].dispose();
    expect((await running).loss).toBe(loss);
  });
});

describe('a batch that does not fit gives an ArgumentError:', () => {
  const images = batch.inputs.images;
  const labels = batch.labels!;
  const direct: readonly [string, unknown][] = [
    ['too few images', { inputs: { images: images.subarray(1) }, labels }],
    ['too many images', { inputs: { images: new Float32Array(images.length + 1) }, labels }],
    ['too few labels', { inputs: { images }, labels: labels.subarray(1) }],
    ['too many labels', { inputs: { images }, labels: new Int32Array(1 << 20) }],
    ['no labels', { inputs: { images } }],
    ['labels of another type', { inputs: { images }, labels: new Float32Array(batchSize) }],
    ['a label beyond the classes', { inputs: { images }, labels: Int32Array.of(0, 1, 2, 5) }],
    ['a negative label', { inputs: { images }, labels: Int32Array.of(0, 1, 2, -1) }],
  ];

  it.each(direct)('%s', async (_, wrong) => {
    using place = await workplace();
    await expect(place.program.gradients({ batch: wrong as typeof batch, target: 'both' })).rejects.toThrow(
      ArgumentError,
    );
    await expect(place.program.gradients({ batch, target: 'both' })).resolves.toHaveProperty('loss');
  });

  it.each([
    ['too few indices', [0, 1, 2]],
    ['too many indices', [0, 1, 2, 3, 4]],
    ['an index beyond the dataset', [0, 1, 2, 5]],
    ['a huge index', [0, 1, 2, 2 ** 32 - 1]],
  ])('%s', async (_, indices) => {
    using place = await workplace();
    const wrong = gathered(place.dataset, indices);
    await expect(place.program.evaluate({ batch: wrong, statistics: 'batch' })).rejects.toThrow(ArgumentError);
  });

  it.each([
    ['images of another size', [4, 4, 3], [0]],
    ['labels beyond the classes', [8, 8, 3], [5]],
  ] as const)('a dataset with %s', async (_, shape, classes) => {
    using place = await workplace();
    const pixels = new Uint8Array(shape[0] * shape[1] * shape[2]);
    using dataset = await place.device.createDataset({ images: pixels, labels: Int32Array.from(classes), shape });
    const wrong = gathered(dataset, [0, 0, 0, 0]);
    await expect(place.program.evaluate({ batch: wrong, statistics: 'batch' })).rejects.toThrow(ArgumentError);
  });

  it('an input that is missing', async () => {
    using place = await workplace();
    await expect(place.program.gradients({ batch: { inputs: {}, labels }, target: 'both' })).rejects.toThrow(
      ArgumentError,
    );
  });

  it('gathered images for a graph of two inputs', async () => {
    using place = await workplace();
    const builder = new GraphBuilder();
    const sum = builder.add([builder.input('a', [8, 8, 3]), builder.input('b', [8, 8, 3])]);
    const two = builder.finish(builder.globalAvgPool(sum));
    using parameters = await place.device.createParameters(two, { seed: 0 });
    using program = place.device.compile(two, { batchSize, parameters });
    await expect(program.evaluate({ batch: gathered(place.dataset), statistics: 'batch' })).rejects.toThrow(
      ArgumentError,
    );
  });
});

describe.each(['dartsmith', 'simt'] as const)('straight to the addon %s,', (addon) => {
  const outcomes = makeHostileCalls(addon);

  it.each(outcomes.filter(({ isSound }) => isSound))('$name works', ({ thrown }) => {
    expect(thrown).toBeNull();
  });

  it.each(outcomes.filter(({ isSound }) => !isSound))('$name ends in an exception', ({ thrown }) => {
    expect(thrown, 'the call ended the process').toBeDefined();
    expect(thrown, 'the call went through').toMatch(/^(Type)?Error: \S/);
  });
});
