// Runs of commands that come again are recorded and replayed as one graph: each must leave the bits that the same commands
// leave when a fresh device runs them kernel by kernel, whatever has changed since they were recorded.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Command, DeviceDataset, Outcome, Program } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Arena } from '../../src/backend/parameter_map.ts';
import { GraphBuilder, type Tensor } from '../../src/graph/builder.ts';
import { identity } from '../helpers/candidates.ts';
import { expectSameBits } from '../helpers/compare.ts';
import {
  type SmallPlace,
  type StepChoice,
  setState,
  smallBatch,
  smallDataset,
  smallNet,
  smallPlace,
  smallStep,
  stateOf,
} from '../helpers/small_net.ts';

let place: SmallPlace;
beforeEach(async () => {
  place = await smallPlace({ backend: 'simt' });
});
afterEach(() => place[Symbol.dispose]());

type State = ReadonlyMap<Arena, Float32Array>;

/** The same commands on a device that never saw them, from a given state. */
async function eagerly(
  before: State,
  commands: (program: Program, dataset: DeviceDataset) => Command[],
  { batchSize = 4, seed = 1 } = {},
): Promise<{ outcomes: Outcome[]; state: State }> {
  using fresh = await smallPlace({ backend: 'simt' }, batchSize);
  using dataset = await smallDataset(fresh.device, seed);
  await setState(fresh.parameters, before);
  const outcomes = await fresh.device.execute(commands(fresh.program, dataset));
  expect(fresh.device.recordedKernels).toBe(0);
  return { outcomes, state: await stateOf(fresh.parameters) };
}

/** Runs a step on `place` and holds it to the eager one. */
async function expectEagerBits(
  choice: StepChoice,
  {
    program = place.program,
    dataset = place.dataset,
    batchSize = 4,
    seed = 1,
  }: { program?: Program; dataset?: DeviceDataset; batchSize?: number; seed?: number } = {},
): Promise<void> {
  const { parameters } = program;
  const before = await stateOf(parameters);
  const outcomes = await place.device.execute(smallStep(program, dataset, choice));
  const after = await stateOf(parameters);
  const expected = await eagerly(before, (fresh, images) => smallStep(fresh, images, choice), { batchSize, seed });
  expect(outcomes).toEqual(expected.outcomes);
  for (const [arena, values] of expected.state) {
    expectSameBits(after.get(arena)!, values, `${arena} after ${JSON.stringify(choice)}`);
  }
}

/** Runs a step until its recording is replayed. */
async function record(choice: StepChoice = { step: 0 }): Promise<void> {
  for (let run = 0; run < 3; run++) await place.device.execute(smallStep(place.program, place.dataset, choice));
  expect(place.device.recordedKernels).toBeGreaterThan(0);
}

describe.each([false, true])('a recorded step (unrolled: %s)', (unrolled) => {
  it('is run kernel by kernel the first time, then launched as a graph of many kernels', async () => {
    const step = () => place.device.execute(smallStep(place.program, place.dataset, { step: 0, unrolled }));
    expect(place.device.recordedKernels).toBe(0);
    await step();
    expect(place.device.recordedKernels).toBe(0);
    await step();
    const kernels = place.device.recordedKernels;
    expect(kernels).toBeGreaterThan(20);
    await step();
    expect(place.device.recordedKernels).toBe(kernels);
  });

  it('has the bits of an eager one, with other images, augmentation, learning rate and number of the update', async () => {
    await record({ step: 0, unrolled });
    for (let step = 1; step <= 3; step++) {
      await expectEagerBits({ step, unrolled, learningRate: 0.1 / step, adamStep: step + 1 });
    }
  });
});

it('other numbers matter: steps that differ in one of them leave other bits', async () => {
  await record();
  const before = await stateOf(place.parameters);
  const run = async (choice: StepChoice) => {
    await setState(place.parameters, before);
    await place.device.execute(smallStep(place.program, place.dataset, choice));
    return stateOf(place.parameters);
  };
  const plain = await run({ step: 1 });
  expect(await run({ step: 1 })).toEqual(plain);
  for (const change of [{ step: 2 }, { learningRate: 0.05 }, { adamStep: 9 }]) {
    expect(await run({ step: 1, ...change }), JSON.stringify(change)).not.toEqual(plain);
  }
});

describe('recorded with everything that commands can say', () => {
  const other = { learningRate: 0.1, momentum: 0.9, weightDecay: 1e-3 };

  /** A step whose numbers follow from `step`: given mixing weights, a penalty, gradients that add up, a copy. */
  function richStep(program: Program, dataset: DeviceDataset, step: number, zero: number): Command[] {
    const { parameters } = program;
    const mixing = { alphas: [Float32Array.from([0, 1, 2], (k) => (k === zero ? 0 : 0.1 * (k + 1) + 0.01 * step))] };
    const batch = (more: number) => smallBatch(dataset, 4, step + more);
    return [
      { kind: 'gradients', program, batch: batch(0), target: 'both', mixing },
      { kind: 'gradients', program, batch: batch(50), target: 'both', accumulate: true },
      { kind: 'penalty', parameters, penalty: 'zeroOneL2', weight: step },
      { kind: 'hypergradient', program, train: batch(0), validation: batch(7), ...other, mixing },
      { kind: 'sgd', parameters, ...other, maxNorm: 5 },
      { kind: 'sgd', parameters, of: 'alpha', ...other, maxNorm: 5 },
      { kind: 'copy', parameters, target: parameters, tensors: { 'norm.bias': 'norm.weight' } },
    ];
  }

  it('tells apart runs that differ in a single field', async () => {
    const { program, parameters, dataset } = place;
    using averages = await place.device.createParameters(smallNet(), { seed: 5 });
    const pass = { kind: 'gradients', program, batch: smallBatch(dataset, 4, 1), target: 'both' } as const;
    const sgd = { kind: 'sgd', parameters, ...other, maxNorm: 5 } as const;
    const penalty = { kind: 'penalty', parameters, weight: 1 } as const;
    const row = (first: number) => ({ mixing: { alphas: [Float32Array.of(first, 1, 1)] } });
    const runs: readonly (readonly Command[])[] = [
      [pass],
      [{ ...pass, accumulate: true }],
      [{ ...pass, target: 'weights', groups: ['weights'], accumulate: true }],
      [{ ...pass, ...row(0) }],
      [{ ...pass, ...row(1) }],
      [pass, sgd],
      [pass, { ...sgd, of: 'alpha' }],
      [pass, { ...sgd, of: 'alpha', momentumIn: 'secondMoments' }],
      [pass, { ...penalty, penalty: 'l1' }],
      [pass, { ...penalty, penalty: 'beta' }],
      [pass, { ...penalty, penalty: 'zeroOneL1', activation: 'sigmoid' }],
      [{ kind: 'average', parameters, averages, decay: 0.5 }],
      [{ kind: 'average', parameters, averages, decay: 0.5, groups: ['weights'] }],
      [{ kind: 'copy', parameters: averages, target: parameters, tensors: ['stem.weight'] }],
      [{ kind: 'copy', parameters: averages, target: parameters, tensors: ['norm.weight'] }],
    ];
    const start = [await stateOf(parameters), await stateOf(averages)];
    const all = async (commands: readonly Command[]) => {
      await setState(parameters, start[0]);
      await setState(averages, start[1]);
      const outcomes = await place.device.execute(commands);
      return { outcomes, own: await stateOf(parameters), other: await stateOf(averages) };
    };
    const first: Awaited<ReturnType<typeof all>>[] = [];
    for (const commands of runs) first.push(await all(commands));
    for (let again = 0; again < 2; again++) {
      for (const [index, commands] of runs.entries()) {
        expect(await all(commands), `run ${index}`).toEqual(first[index]);
        if (index === 0 && again > 0) expect(place.device.recordedKernels).toBeGreaterThan(0);
      }
    }
  });

  it('has the bits of an eager run, whichever candidates are left out', async () => {
    for (const [step, zero] of [0, 0, 0, 1, 1, 1, 3, 3, 0].entries()) {
      const before = await stateOf(place.parameters);
      const outcomes = await place.device.execute(richStep(place.program, place.dataset, step + 1, zero));
      const expected = await eagerly(before, (fresh, images) => richStep(fresh, images, step + 1, zero));
      expect(outcomes).toEqual(expected.outcomes);
      expect(await stateOf(place.parameters)).toEqual(expected.state);
    }
    expect(place.device.recordedKernels).toBeGreaterThan(20);
  });
});

describe('recorded sums of losses, groups and noise', () => {
  /** A student of one mixed edge and its teacher; of the three groups the student's lies between the others. */
  function pairNet() {
    const builder = new GraphBuilder();
    const alpha = builder.alpha('alphas', [2]);
    const images = builder.input('images', [4, 4, 3]);
    const noisy = {
      name: 'conv',
      build: (inner: GraphBuilder, x: Tensor) =>
        inner.conv2d('conv', inner.noise(inner.dropout(x, { rate: 0.2 })), { channels: 3, kernel: 1 }),
    };
    const edge = builder.mixed(images, [identity, noisy], { alpha, row: 0, activation: 'sigmoid' });
    const student = builder.inGroup('student').linear('student', builder.globalAvgPool(builder.tanh(edge)), 3);
    const teacher = builder.inGroup('teacher').linear('teacher', builder.globalAvgPool(images), 3);
    return builder.finish(
      builder.lossSum([
        { loss: builder.distillation(student, teacher), weight: 2 },
        { loss: builder.softmaxCrossEntropy(student), weight: 1 },
        { loss: builder.softmaxCrossEntropy(teacher), weight: 0.5 },
      ]),
    );
  }

  /** The teacher by itself, over parameters of both. */
  function teacherNet() {
    const builder = new GraphBuilder();
    const images = builder.globalAvgPool(builder.input('images', [4, 4, 3]));
    return builder.finish(builder.softmaxCrossEntropy(builder.inGroup('teacher').linear('teacher', images, 3)));
  }

  it('have the bits of an eager run, terms, norms and all', async () => {
    const graph = pairNet();
    const open = async () => {
      const fresh = await openDevice({ backend: 'simt' });
      const parameters = await fresh.createParameters(graph, { seed: 1, secondMoments: true });
      const program = fresh.compile(graph, { batchSize: 4, parameters });
      const alone = fresh.compile(teacherNet(), { batchSize: 4, parameters });
      const dataset = await smallDataset(fresh);
      const run = async (step: number) => {
        const at = (more: number) => {
          const dropout = { seed: 1, epoch: 0, step: step + more, noiseScale: 0.1 * step };
          return { ...smallBatch(dataset, 4, step + more), dropout };
        };
        const both = { kind: 'gradients', program, target: 'both', groups: ['teacher', 'weights'] } as const;
        const adam = { kind: 'adam', parameters, learningRate: 0.1, betas: [0.5, 0.9], epsilon: 1e-8, step } as const;
        const rates = { learningRate: 0.1, momentum: 0.9, weightDecay: 0.01 };
        const outcomes = await fresh.execute([
          { kind: 'hypergradient', program, train: at(0), validation: at(3), ...rates },
          { kind: 'penalty', parameters, penalty: 'zeroOneL1', activation: 'sigmoid', weight: 2 },
          { ...adam, weightDecay: 0, maxNorm: 0.5 },
          { ...both, batch: at(0) },
          { ...both, batch: at(1), accumulate: true },
          {
            kind: 'sgd',
            parameters,
            ...rates,
            groups: ['teacher', 'weights'],
            momentumIn: 'secondMoments',
            maxNorm: 0.1,
          },
          { kind: 'gradients', program: alone, target: 'weights', groups: ['teacher'], batch: at(2) },
          { kind: 'sgd', parameters, ...rates, groups: ['teacher'], maxNorm: 5 },
          { ...adam, of: 'weights', groups: ['student'], weightDecay: 0.01 },
        ]);
        return { outcomes, state: await stateOf(parameters) };
      };
      const dispose = () => {
        for (const each of [program, alone, dataset, parameters, fresh]) each.dispose();
      };
      return { fresh, parameters, run, [Symbol.dispose]: dispose };
    };
    using recorded = await open();
    for (let step = 1; step <= 4; step++) {
      using eager = await open();
      await setState(eager.parameters, await stateOf(recorded.parameters));
      const expected = await eager.run(step);
      expect(expected.outcomes[0].terms).toHaveLength(3);
      expect(await recorded.run(step)).toEqual(expected);
    }
    expect(recorded.fresh.recordedKernels).toBeGreaterThan(20);
  });

  it('are told apart by the groups that they move and by where the momentum lies', async () => {
    const graph = pairNet();
    using device = await openDevice({ backend: 'simt' });
    using parameters = await device.createParameters(graph, { seed: 1, secondMoments: true });
    using averages = await device.createParameters(graph, { seed: 2, secondMoments: true });
    await parameters.store.write('weightGradients', 0, new Float32Array(parameters.map.totals.weight).fill(0.5));
    const start = await stateOf(parameters);
    const sgd = { kind: 'sgd', parameters, learningRate: 0.1, momentum: 0.9, weightDecay: 0, maxNorm: 0.1 } as const;
    const adam = { kind: 'adam', parameters, of: 'weights', learningRate: 0.1, weightDecay: 0, step: 1 } as const;
    const average = { kind: 'average', parameters: averages, averages: parameters, decay: 0.5 } as const;
    const chosen = [['teacher'], ['teacher', 'weights'], ['teacher', 'student']];
    const runs = chosen.flatMap((groups): Command[] => [
      { ...sgd, groups },
      { ...sgd, groups, momentumIn: 'secondMoments' },
      { ...adam, groups, betas: [0.5, 0.9], epsilon: 1e-8 },
      { ...average, groups },
    ]);
    const first: State[] = [];
    for (let round = 0; round < 3; round++) {
      for (const [index, command] of runs.entries()) {
        await setState(parameters, start);
        await device.execute([command]);
        expect(device.recordedKernels > 0, `run ${index} of round ${round}`).toBe(round > 0);
        const state = await stateOf(parameters);
        first[index] ??= state;
        expect(state, `run ${index} of round ${round}`).toEqual(first[index]);
      }
    }
    expect(new Set(first.map((state) => JSON.stringify([...state].map(([, values]) => [...values]))))).toHaveProperty(
      'size',
      runs.length,
    );
  });
});

describe('after a recording, the bits of an eager run come from', () => {
  beforeEach(() => record());

  it('another dataset, also after its replay, and the first one again', async () => {
    using dataset = await smallDataset(place.device, 2);
    for (let step = 1; step <= 3; step++) await expectEagerBits({ step }, { dataset, seed: 2 });
    await expectEagerBits({ step: 4 });
  });

  it('a dataset in the place of one that was disposed', async () => {
    const first = await smallDataset(place.device, 2);
    for (let run = 0; run < 3; run++) await place.device.execute(smallStep(place.program, first, { step: 1 }));
    first.dispose();
    using second = await smallDataset(place.device, 3);
    for (let step = 1; step <= 3; step++) await expectEagerBits({ step }, { dataset: second, seed: 3 });
  });

  it('gradients of another target', async () => {
    for (const target of ['both', 'alpha', 'weights'] as const) {
      for (let step = 1; step <= 3; step++) await expectEagerBits({ step, target });
    }
  });

  it('a program of a larger batch, which moves the working memory, and the first one again', async () => {
    using larger = place.device.compile(smallNet(), { batchSize: 9, parameters: place.parameters });
    for (let step = 1; step <= 3; step++) {
      await expectEagerBits({ step }, { program: larger, batchSize: 9 });
      await expectEagerBits({ step });
    }
    expect(place.device.recordedKernels).toBeGreaterThan(0);
  });

  it('a program in the place of one that was disposed', async () => {
    place.program.dispose();
    using program = place.device.compile(smallNet(), { batchSize: 4, parameters: place.parameters });
    for (let step = 1; step <= 3; step++) await expectEagerBits({ step }, { program });
  });

  it('parameters in the place of ones that were disposed', async () => {
    place.program.dispose();
    place.parameters.dispose();
    using parameters = await place.device.createParameters(smallNet(), { seed: 9 });
    using program = place.device.compile(smallNet(), { batchSize: 4, parameters });
    for (let step = 1; step <= 3; step++) await expectEagerBits({ step }, { program });
  });

  it('a longer list of commands, whose numbers need more room, and the short one again', async () => {
    const many = (program: Program, dataset: DeviceDataset) =>
      Array.from({ length: 8 }, (_, step) => smallStep(program, dataset, { step })).flat();
    for (let run = 0; run < 3; run++) {
      const before = await stateOf(place.parameters);
      const outcomes = await place.device.execute(many(place.program, place.dataset));
      const expected = await eagerly(before, many);
      expect(outcomes).toEqual(expected.outcomes);
      expect(await stateOf(place.parameters)).toEqual(expected.state);
      await expectEagerBits({ step: run });
    }
  });

  it('many kinds of runs, more than are kept', async () => {
    for (let kind = 0; kind < 40; kind++) {
      using dataset = await smallDataset(place.device, kind);
      await place.device.execute(smallStep(place.program, dataset, { step: kind }));
    }
    for (let step = 1; step <= 3; step++) await expectEagerBits({ step });
  });
});

describe('what cannot be recorded runs as before:', () => {
  it('batches given directly and outputs that are read', async () => {
    const { program, device } = place;
    const images = new Float32Array(4 * 48).map((_, i) => Math.sin(i));
    const direct = { inputs: { images }, labels: Int32Array.of(0, 1, 2, 0) };
    const runs: Command[][] = [
      [{ kind: 'gradients', program, batch: direct, target: 'both' }],
      [{ kind: 'evaluate', program, batch: direct, statistics: 'batch', read: [program.graph.nodes.length - 2] }],
    ];
    for (const commands of runs) {
      const first = await device.execute(commands);
      expect(await device.execute(commands)).toEqual(first);
      expect(await device.execute(commands)).toEqual(first);
    }
    expect(device.recordedKernels).toBe(0);
  });
});
