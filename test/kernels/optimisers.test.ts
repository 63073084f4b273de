// SGD and Adam as whole-arena sweeps against the papers' formulas in float64, on every backend.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AdamCommand, Device, SgdCommand } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Arena } from '../../src/backend/parameter_map.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import { DartsmithError } from '../../src/errors.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { largestMagnitude } from '../../src/reference/tolerance.ts';
import { testBackends } from '../helpers/backends.ts';
import { expectClose, expectSameBits } from '../helpers/compare.ts';
import { gaussian } from '../helpers/kernel_case.ts';

type SgdOptions = Omit<SgdCommand, 'kind' | 'parameters'>;
type AdamOptions = Omit<AdamCommand, 'kind' | 'parameters' | 'step'>;

const steps = 5;

/** Weights over several pieces of a norm and of a sweep, none of a size that fills its cache lines; ragged alpha. */
const graph = (() => {
  const builder = new GraphBuilder();
  builder.alpha('alphas', [8, 3, 5, 1], 0.5);
  const image = builder.input('images', [5, 5, 3]);
  const first = builder.conv2d('first', image, { channels: 77, kernel: 5, padding: 2 });
  const second = builder.conv2d('second', builder.batchNorm('bn', first, { affine: true }), {
    channels: 31,
    kernel: 3,
  });
  return builder.finish(builder.linear('last', builder.globalAvgPool(second), 13));
})();

/** The gradient of a step: normal numbers at the parameters of a role, zero in the gaps between them. */
function gradientOf(owner: Parameters, role: 'weight' | 'alpha', step: number): Float32Array {
  const values = new Float32Array(owner.map.totals[role]);
  const random = gaussian(values.length, 100 + step);
  for (const { spec, offset, size } of owner.map.places.values()) {
    if (spec.role === role) values.set(random.subarray(offset, offset + size), offset);
  }
  return values;
}

function norm(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] ** 2;
  return Math.sqrt(sum);
}

describe.each(testBackends)('on $name', (backend) => {
  let device: Device;
  let parameters: Parameters;

  beforeEach(async () => {
    device = await openDevice(backend.device);
    parameters = await device.createParameters(graph, { seed: 3 });
  });

  afterEach(() => {
    parameters.dispose();
    device.dispose();
  });

  async function inDouble(arena: Arena): Promise<Float64Array> {
    return Float64Array.from(await parameters.store.read(arena));
  }

  async function expectArena(arena: Arena, expected: Float64Array): Promise<void> {
    // A few roundings a step, each relative to a number no larger than the largest of the arena's.
    const tolerance = 4 * steps * 2 ** -24 * largestMagnitude(expected);
    expectClose(await parameters.store.read(arena), expected, { name: arena, tolerance });
  }

  async function expectZeroGaps(arena: Arena, role: 'weight' | 'alpha'): Promise<void> {
    const values = await parameters.store.read(arena);
    for (const { spec, offset, size } of parameters.map.places.values()) {
      if (spec.role === role) values.fill(0, offset, offset + size);
    }
    expect(
      values.every((value) => value === 0),
      `gaps of ${arena}`,
    ).toBe(true);
  }

  describe('average', () => {
    it('moves weights and buffers towards the parameters, and nothing else', async () => {
      using averages = await device.createParameters(graph, { seed: 4 });
      const decays = [0, 0.9, 0.999, 1];
      for (const arena of ['weights', 'buffers'] as const) {
        const [values, before] = [await inDouble(arena), Float64Array.from(await averages.store.read(arena))];
        let expected = before;
        for (const decay of decays) {
          await device.execute([{ kind: 'average', parameters, averages, decay }]);
          expected = expected.map((value, i) => decay * value + (1 - decay) * values[i]);
          const tolerance = 4 * decays.length * 2 ** -24 * largestMagnitude(expected);
          expectClose(await averages.store.read(arena), expected, { name: `${arena}, ${decay}`, tolerance });
        }
        expectClose(await parameters.store.read(arena), values, { name: arena, tolerance: 0 });
      }
    });

    it('refuses averages of another layout and decays that are none', async () => {
      const builder = new GraphBuilder();
      const other = builder.finish(
        builder.linear('last', builder.globalAvgPool(builder.input('images', [5, 5, 3])), 7),
      );
      using averages = await device.createParameters(other, { seed: 4 });
      await expect(device.execute([{ kind: 'average', parameters, averages, decay: 0.9 }])).rejects.toThrow(/laid out/);
      for (const decay of [-0.1, 1.1, Number.NaN]) {
        const command = { kind: 'average', parameters, averages: parameters, decay } as const;
        await expect(async () => device.execute([command])).rejects.toThrow(DartsmithError);
      }
    });
  });

  describe('sgd', () => {
    const plain: SgdOptions = { learningRate: 0.1, momentum: 0, weightDecay: 0, maxNorm: Infinity };

    /** One step on the device from the `step`-th gradient, `scale` times as long. */
    async function stepOf(
      on: Device,
      owner: Parameters,
      options: SgdOptions,
      step: number,
      scale = 1,
    ): Promise<number> {
      const gradient = gradientOf(owner, 'weight', step).map((value) => value * scale);
      await owner.store.write('weightGradients', 0, gradient);
      const [{ gradientNorm }] = await on.execute([{ kind: 'sgd', parameters: owner, ...options }]);
      return gradientNorm ?? Number.NaN;
    }

    /** m = μ·m + clip(g) + λ·w and w -= η·m in float64 (Sutskever et al., ICML 2013, in PyTorch's form; Pascanu et al., ICML 2013). */
    async function expected(options: SgdOptions) {
      const weights = await inDouble('weights');
      const momentum = new Float64Array(weights.length);
      for (let step = 0; step < steps; step++) {
        const gradient = gradientOf(parameters, 'weight', step);
        const clip = Math.min(1, options.maxNorm / norm(gradient));
        for (let i = 0; i < weights.length; i++) {
          const before = options.momentum * momentum[i];
          momentum[i] = before + clip * gradient[i] + options.weightDecay * weights[i];
          const ahead = options.nesterov ? momentum[i] - before + options.momentum * momentum[i] : momentum[i];
          weights[i] -= options.learningRate * ahead;
        }
      }
      // Without momentum there is none to keep.
      return { weights, momentum: options.momentum === 0 ? momentum.fill(0) : momentum };
    }

    it.each<[string, Partial<SgdOptions>]>([
      ['alone', {}],
      ['with momentum', { momentum: 0.9 }],
      ["with Nesterov's momentum", { momentum: 0.9, nesterov: true }],
      ["with Nesterov's momentum, decay and clipping", { momentum: 0.8, nesterov: true, weightDecay: 0.1, maxNorm: 5 }],
      ['with weight decay', { weightDecay: 0.1 }],
      ['with clipping', { maxNorm: 5 }],
      ['with everything', { momentum: 0.9, weightDecay: 0.03, maxNorm: 5 }],
    ])('%s follows the formula over several steps', async (_, changes) => {
      const options = { ...plain, ...changes };
      const { weights, momentum } = await expected(options);
      for (let step = 0; step < steps; step++) await stepOf(device, parameters, options, step);
      await expectArena('weights', weights);
      await expectArena('momentum', momentum);
    });

    it('reports the norm of the whole gradient before clipping', async () => {
      for (const maxNorm of [Infinity, 5]) {
        const reported = await stepOf(device, parameters, { ...plain, maxNorm }, 0);
        const exact = norm(gradientOf(parameters, 'weight', 0));
        expect(Math.abs(reported - exact)).toBeLessThan(1e-12 * exact);
      }
    });

    /** The length of one step of rate 1 without momentum or decay: that of the clipped gradient. */
    async function clippedNorm(scale: number, maxNorm: number): Promise<number> {
      await parameters.store.write('weights', 0, new Float32Array(parameters.map.totals.weight));
      await stepOf(device, parameters, { ...plain, learningRate: 1, maxNorm }, 0, scale);
      return norm(await parameters.store.read('weights'));
    }

    it('clips to the norm allowed, above it only', async () => {
      const length = norm(gradientOf(parameters, 'weight', 0));
      for (const [scale, maxNorm, result] of [
        [1, 0.5 * length, 0.5 * length],
        [1, 1.001 * length, length],
        [1, length, length],
        [2 ** -40, 5, 2 ** -40 * length],
        [2 ** 20, 5, 5],
      ]) {
        expect(Math.abs((await clippedNorm(scale, maxNorm)) - result)).toBeLessThan(1e-6 * result);
      }
    });

    it('does not touch a gradient shorter than the norm allowed', async () => {
      const options = { ...plain, momentum: 0.9 };
      await stepOf(device, parameters, options, 0);
      const unclipped = await parameters.store.read('momentum');
      await parameters.store.write('momentum', 0, new Float32Array(unclipped.length));
      await stepOf(device, parameters, { ...options, maxNorm: 1.001 * norm(unclipped) }, 0);
      expectSameBits(await parameters.store.read('momentum'), unclipped, 'momentum');
    });

    it('takes a gradient of zeros', async () => {
      const before = await parameters.store.read('weights');
      expect(await stepOf(device, parameters, { ...plain, maxNorm: 5 }, 0, 0)).toBe(0);
      expectSameBits(await parameters.store.read('weights'), before, 'weights');
    });

    it('leaves the gaps between parameters, alpha and the gradient alone', async () => {
      const alpha = await parameters.store.read('alpha');
      await stepOf(device, parameters, { ...plain, momentum: 0.9, weightDecay: 0.1, maxNorm: 5 }, 0);
      await stepOf(device, parameters, { ...plain, momentum: 0.9, weightDecay: 0.1, maxNorm: 5 }, 1);
      await expectZeroGaps('weights', 'weight');
      await expectZeroGaps('momentum', 'weight');
      expectSameBits(await parameters.store.read('alpha'), alpha, 'alpha');
      expectSameBits(await parameters.store.read('weightGradients'), gradientOf(parameters, 'weight', 1), 'gradient');
    });

    it('gives the same bits however threads run', async () => {
      const options = { learningRate: 0.1, momentum: 0.9, weightDecay: 0.03, maxNorm: 5 };
      const norms = [await stepOf(device, parameters, options, 0), await stepOf(device, parameters, options, 1)];
      const weights = await parameters.store.read('weights');
      for (const { title, device: chosen } of backend.others) {
        using other = await openDevice(chosen);
        using owner = await other.createParameters(graph, { seed: 3 });
        expect(await stepOf(other, owner, options, 0)).toBe(norms[0]);
        expect(await stepOf(other, owner, options, 1)).toBe(norms[1]);
        expectSameBits(await owner.store.read('weights'), weights, `weights with ${title}`);
      }
    });
  });

  describe('adam', () => {
    const plain: AdamOptions = { learningRate: 0.01, betas: [0.5, 0.999], epsilon: 1e-8, weightDecay: 0 };

    async function stepOf(on: Device, owner: Parameters, options: AdamOptions, step: number): Promise<void> {
      await owner.store.write('alphaGradients', 0, gradientOf(owner, 'alpha', step));
      await on.execute([{ kind: 'adam', parameters: owner, ...options, step: step + 1 }]);
    }

    /** Algorithm 1 of Kingma and Ba (arXiv:1412.6980) in float64, with λ·α added to the gradient. */
    async function expected({ learningRate, betas, epsilon, weightDecay }: AdamOptions) {
      const values = await inDouble('alpha');
      const mean = new Float64Array(values.length);
      const variance = new Float64Array(values.length);
      for (let step = 0; step < steps; step++) {
        gradientOf(parameters, 'alpha', step).forEach((slope, i) => {
          const gradient = slope + weightDecay * values[i];
          mean[i] = betas[0] * mean[i] + (1 - betas[0]) * gradient;
          variance[i] = betas[1] * variance[i] + (1 - betas[1]) * gradient ** 2;
          const unbiasedMean = mean[i] / (1 - betas[0] ** (step + 1));
          const unbiasedVariance = variance[i] / (1 - betas[1] ** (step + 1));
          values[i] -= (learningRate * unbiasedMean) / (Math.sqrt(unbiasedVariance) + epsilon);
        });
      }
      return { values, mean, variance };
    }

    it.each<[string, Partial<AdamOptions>]>([
      ['with the settings of the published search', { learningRate: 3e-4, weightDecay: 1e-3 }],
      ["with the paper's betas", { betas: [0.9, 0.999] }],
      ['with much decay', { weightDecay: 0.5 }],
      ['with an epsilon that matters', { epsilon: 0.3 }],
      ['with betas of zero', { betas: [0, 0] }],
    ])('%s follows the formula over several steps', async (_, changes) => {
      const options = { ...plain, ...changes };
      const { values, mean, variance } = await expected(options);
      for (let step = 0; step < steps; step++) await stepOf(device, parameters, options, step);
      await expectArena('alpha', values);
      await expectArena('alphaMean', mean);
      await expectArena('alphaVariance', variance);
    });

    it('makes a first step of the learning rate, whatever the gradient', async () => {
      const before = await parameters.store.read('alpha');
      await stepOf(device, parameters, plain, 0);
      const after = await parameters.store.read('alpha');
      gradientOf(parameters, 'alpha', 0).forEach((slope, i) => {
        // Both corrections cancel the betas at step 1; alpha is rounded at magnitude 1.
        expect(Math.abs(after[i] - before[i] + plain.learningRate * Math.sign(slope))).toBeLessThan(1e-6);
      });
    });

    it('leaves the gaps between parameters, the weights and the gradient alone', async () => {
      const weights = await parameters.store.read('weights');
      await stepOf(device, parameters, { ...plain, weightDecay: 0.1 }, 0);
      for (const arena of ['alpha', 'alphaMean', 'alphaVariance'] as const) await expectZeroGaps(arena, 'alpha');
      expectSameBits(await parameters.store.read('weights'), weights, 'weights');
      expectSameBits(await parameters.store.read('alphaGradients'), gradientOf(parameters, 'alpha', 0), 'gradient');
    });

    it('gives the same bits however threads run', async () => {
      const options = { ...plain, weightDecay: 1e-3 };
      await stepOf(device, parameters, options, 0);
      await stepOf(device, parameters, options, 1);
      const alpha = await parameters.store.read('alpha');
      for (const { title, device: chosen } of backend.others) {
        using other = await openDevice(chosen);
        using owner = await other.createParameters(graph, { seed: 3 });
        await stepOf(other, owner, options, 0);
        await stepOf(other, owner, options, 1);
        expectSameBits(await owner.store.read('alpha'), alpha, `alpha with ${title}`);
      }
    });
  });
});
