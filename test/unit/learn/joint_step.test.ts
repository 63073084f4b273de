// A step that moves weights and architecture parameters as one group, against plain arithmetic.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Command, Device, GatheredBatch, Program } from '../../../src/backend/device.ts';
import { openDevice } from '../../../src/backend/open.ts';
import type { Arena } from '../../../src/backend/parameter_map.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { jointStep } from '../../../src/learn/joint_step.ts';
import { optimizerStep, type WeightSettings } from '../../../src/learn/weight_step.ts';
import { buildDerivedNetwork } from '../../../src/network/derived.ts';
import { tinyDataset } from '../../helpers/tiny_search.ts';

const { graph } = buildDerivedNetwork({
  ...{ genotype: genotypes['DARTS_V2'], inputShape: [8, 8, 1], classes: 3, initChannels: 2, layers: 3 },
  keepNone: true,
});
const usual: WeightSettings = { momentum: 0.9, weightDecay: 0.01, gradClip: 1e9 };
const values = ['weights', 'momentum', 'alpha', 'alphaMean', 'alphaVariance', 'variance'] as const;

let device: Device;

type Step = (at: { program: Program; batch: GatheredBatch; update: number }) => Promise<unknown>;

/** What some steps make of the network, arena by arena. */
async function trained(steps: number, step: Step) {
  using parameters = await device.createParameters(graph, { seed: 3, secondMoments: true });
  using dataset = await device.createDataset(tinyDataset().train);
  using program = device.compile(graph, { batchSize: 8, parameters });
  for (let update = 0; update < steps; update++) {
    const indices = Uint32Array.from({ length: 8 }, (_, i) => (8 * update + i) % dataset.count);
    const augmentation = { mean: [0.5], deviation: [0.25], pad: 0, flip: false, cutout: 0 };
    await step({ program, batch: { dataset, indices, augmentation }, update });
  }
  const read = (arena: Arena) => parameters.store.read(arena);
  return Object.fromEntries(await Promise.all(values.map(async (arena) => [arena, await read(arena)] as const)));
}

const joint =
  (settings: WeightSettings): Step =>
  (at) =>
    jointStep(device, { ...at, settings, learningRate: 0.05 });

/** Each part clipped for itself: the same where nothing is clipped. */
const apart =
  (settings: WeightSettings): Step =>
  ({ program, batch, update }) => {
    const { parameters } = program;
    const rest = { learningRate: 0.05, update };
    const move = (of: 'weights' | 'alpha', own: WeightSettings): Command =>
      optimizerStep(parameters, { ...rest, settings: own }, of);
    return device.execute([
      { kind: 'gradients', program, batch, target: 'both' },
      move('weights', settings),
      move('alpha', { ...settings, weightDecay: 0 }),
    ]);
  };

describe.each(['cpu', 'simt'] as const)('a step of both on %s', (backend) => {
  beforeAll(async () => {
    device = await openDevice({ backend });
  });
  afterAll(() => device.dispose());

  it.each([
    ['sgd', {}],
    ["sgd with Nesterov's momentum", { nesterov: true }],
    ['adam', { optimizer: 'adam' }],
  ] as const)('has the bits of a step apart where nothing is clipped: %s', async (_, own) => {
    const settings = { ...usual, ...own };
    expect(await trained(3, joint(settings))).toEqual(await trained(3, apart(settings)));
  });

  it('clips by the norm of both together', async () => {
    const gradClip = 0.25;
    const norms: number[] = [];
    const outcome: Step = async (at) => {
      const { parameters } = at.program;
      const reads = ['weights', 'momentum', 'alpha', 'alphaMean'] as const;
      const [weights, momentum, alpha, mean] = await Promise.all(reads.map((arena) => parameters.store.read(arena)));
      const { gradientNorm } = await jointStep(device, { ...at, settings: { ...usual, gradClip }, learningRate: 0.05 });
      const [own, other] = await Promise.all(
        (['weightGradients', 'alphaGradients'] as const).map((arena) => parameters.store.read(arena)),
      );
      const norm = Math.sqrt([...own, ...other].reduce((sum, value) => sum + value * value, 0));
      expect(gradientNorm).toBeCloseTo(norm, 6);
      norms.push(norm);
      const kept = Math.min(1, gradClip / (norm + 1e-6));
      const [movedWeights, movedAlpha] = await Promise.all(
        (['weights', 'alpha'] as const).map((arena) => parameters.store.read(arena)),
      );
      // Some roundings of numbers of about 1.
      const close = (actual: Float32Array, expected: (i: number) => number) =>
        expect(Math.max(...actual.map((value, i) => Math.abs(value - expected(i))))).toBeLessThan(1e-6);
      close(movedWeights, (i) => weights[i] - 0.05 * (0.9 * momentum[i] + kept * own[i] + 0.01 * weights[i]));
      // Without decay.
      close(movedAlpha, (i) => alpha[i] - 0.05 * (0.9 * mean[i] + kept * other[i]));
    };
    await trained(3, outcome);
    expect(Math.min(...norms)).toBeGreaterThan(gradClip);
  });

  it('begins with β at 0 and moves it', async () => {
    const { alpha } = await trained(1, joint(usual));
    expect(alpha.some((value) => value !== 0)).toBe(true);
    expect([...(await trained(0, joint(usual))).alpha].every((value) => value === 0)).toBe(true);
  });
});
