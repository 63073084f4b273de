// A step of alpha from which candidates were cut by hand.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openDevice } from '../../../src/backend/open.ts';
import type { Device, Parameters } from '../../../src/index.ts';
import { cutChoices, regularLoss } from '../../../src/methods/cdarts/cut_choices.ts';
import { stepUncut } from '../../../src/methods/cdarts/cut_step.ts';
import { regularisedEntries } from '../../../src/methods/cdarts/regularised.ts';
import { buildCyclicNetworks } from '../../../src/network/cyclic.ts';
import { readAlpha } from '../../../src/select/alpha.ts';
import { selectGenotype } from '../../../src/select/rules.ts';

const tiny = { inputShape: [12, 12, 3], classes: 3, initChannels: 2, layers: 3, evaluationLayers: 3 } as const;
const { search } = buildCyclicNetworks(tiny);
const tables = ['alphas_normal', 'alphas_reduce'];
const cut = Number.NEGATIVE_INFINITY;

describe('candidates that were cut', () => {
  let device: Device;
  let parameters: Parameters;
  beforeAll(async () => {
    device = await openDevice({ backend: 'cpu', threads: 1 });
  });
  afterAll(() => device.dispose());
  beforeEach(async () => {
    parameters = await device.createParameters(search.graph, { seed: 5, secondMoments: true });
    return () => parameters.dispose();
  });

  const fill = async (row: readonly number[]) => {
    for (const name of tables) await parameters.set(name, Float32Array.from(Array(14).fill(row).flat()));
  };
  const cutSmallest = async (count: number) => {
    const { alpha } = await readAlpha(search, parameters);
    for (const [name, rows] of Object.entries(cutChoices(alpha, count))) {
      await parameters.set(name, Float32Array.from(rows.flat()));
    }
  };

  it('neither run nor move in a step that others take', async () => {
    const logits = [0.1, 0.2, 0.3, 0.9, 0.5, 0.6, -1, 0.7];
    await fill(logits);
    // Dilated convolutions of 5x5 go.
    await cutSmallest(1);
    const { alpha, mixing } = await readAlpha(search, parameters);
    const { normal } = selectGenotype(search, mixing, { by: 'cdarts', threshold: 0 }, alpha);
    expect(normal?.nodes[3].map(({ operation }) => operation)).toEqual(['sep_conv_3x3', 'sep_conv_3x3']);
    using program = device.compile(search.graph, { batchSize: 2, parameters });
    const images = Float32Array.from({ length: 2 * 12 * 12 * 3 }, (_, index) => Math.sin(index));
    const batch = { inputs: { images }, labels: Int32Array.of(0, 2) };
    const entries = regularisedEntries(search, undefined, alpha);
    const adam = { learningRate: 0.1, betas: [0.5, 0.999], epsilon: 1e-8, weightDecay: 1e-3 } as const;
    const step = (number: number) =>
      stepUncut(device, search, parameters, {
        pass: { kind: 'gradients', program, batch, target: 'alpha' },
        penalty: { kind: 'penalty', parameters, penalty: 'l1', weight: 0.5, entries },
        adam: { kind: 'adam', parameters, ...adam, step: number },
      });
    const [pass, { penalty }] = await step(1);
    expect(Number.isFinite(pass.loss)).toBe(true);
    expect(penalty).toBeCloseTo(regularLoss(search, alpha), 4);
    const moved = async (candidate: number) => {
      const means = parameters.names('buffer').filter((name) => name.endsWith(`.${candidate}.net.3.running_mean`));
      expect(means).toHaveLength(3 * 14);
      const values = await Promise.all(means.map(async (name) => (await parameters.get(name)).data));
      return values.map((data) => data.some((value) => value !== 0));
    };
    expect(new Set(await moved(6))).toEqual(new Set([false]));
    expect(new Set(await moved(5))).toEqual(new Set([true]));
    await step(2);
    for (const name of tables) {
      const { data } = await parameters.get(name);
      for (const [index, value] of data.entries()) {
        const logit = Math.fround(logits[index % 8]);
        if (logit === -1) expect(value).toBe(cut);
        else expect(Number.isFinite(value) && value !== logit).toBe(true);
      }
    }
  });

  it('stay cut where a step fails', async () => {
    await cutSmallest(3);
    const before = await parameters.get(tables[0]);
    using program = device.compile(search.graph, { batchSize: 1, parameters });
    const batch = { inputs: { images: new Float32Array(12 * 12 * 3) }, labels: Int32Array.of(0) };
    const pass = { kind: 'gradients', program, batch, target: 'alpha' } as const;
    const adam = { learningRate: -1, betas: [0.5, 0.999], epsilon: 1e-8, weightDecay: 0, step: 1 } as const;
    const step = stepUncut(device, search, parameters, { pass, adam: { kind: 'adam', parameters, ...adam } });
    await expect(step).rejects.toThrow('learningRate');
    expect(await parameters.get(tables[0])).toEqual(before);
  });

  it('leave to others the gradients that these had', async () => {
    // A table whose cut logits a softmax hides in any case: both ways agree.
    await fill([0.1, 0.2, 0.3, 0.9, 0.5, 0.6, -60, 0.7]);
    using program = device.compile(search.graph, { batchSize: 2, parameters });
    const images = Float32Array.from({ length: 2 * 12 * 12 * 3 }, (_, index) => Math.sin(index));
    const batch = { inputs: { images }, labels: Int32Array.of(0, 2) };
    const pass = { kind: 'gradients', program, batch, target: 'alpha', statistics: 'batch' } as const;
    await device.execute([pass]);
    const hidden = await Promise.all(tables.map((name) => parameters.gradient(name)));
    await cutSmallest(1);
    const adam = { kind: 'adam', parameters, learningRate: 0, betas: [0.5, 0.999], epsilon: 1e-8 } as const;
    await stepUncut(device, search, parameters, { pass, adam: { ...adam, weightDecay: 0, step: 1 } });
    for (const [index, name] of tables.entries()) {
      const { data } = await parameters.gradient(name);
      const size = Math.max(...data.map(Math.abs));
      expect(size).toBeGreaterThan(1e-4);
      for (const [i, value] of data.entries())
        expect(Math.abs(value - hidden[index].data[i])).toBeLessThan(1e-4 * size);
    }
  });
});
