import { describe, expect, it } from 'vitest';
import type { Command, GatheredBatch, Program } from '../../../src/backend/device.ts';
import type { MixedNode } from '../../../src/graph/graph.ts';
import { cosineLearningRate } from '../../../src/learn/cosine.ts';
import { type BatchSource, epochBatches, validationBatches } from '../../../src/learn/search_batches.ts';
import { fairdartsPresets } from '../../../src/methods/fairdarts/settings.ts';
import { fairdartsParts } from '../../../src/methods/fairdarts/step.ts';
import { buildSupernet } from '../../../src/network/supernet.ts';
import type { MethodOptions } from '../../../src/run/options.ts';
import { startMethod } from '../../../src/run/start.ts';
import { createFakeDevice, type FakeDevice, fakeParameters } from '../../helpers/fake_device.ts';
import { tinyDataset, tinySettings } from '../../helpers/tiny_search.ts';

const paper = fairdartsPresets.paper.settings;
const tiny = { ...paper, ...tinySettings };

describe('the supernet of FairDARTS', () => {
  const { graph, tables } = buildSupernet({ space: 'fairdarts', inputShape: [32, 32, 3], classes: 10 });
  const sizeOf = (role: string) =>
    graph.parameters
      .filter((spec) => spec.role === role)
      .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

  it('has the published 1,930,618 weights and 196 alphas at 16 channels, 8 cells and 10 classes', () => {
    expect([sizeOf('weight'), sizeOf('alpha')]).toEqual([1_930_618, 196]);
  });

  it('weighs seven candidates by sigmoids, in the published order, of alphas that begin at 0', () => {
    for (const { activation, branches } of graph.nodes.filter((node): node is MixedNode => node.op === 'mixed')) {
      expect(activation).toBe('sigmoid');
      expect(branches.map(({ name }) => name).join(' ')).toBe(
        'max_pool_3x3 avg_pool_3x3 skip_connect sep_conv_3x3 sep_conv_5x5 dil_conv_3x3 dil_conv_5x5',
      );
    }
    for (const { name } of Object.values(tables)) {
      const spec = graph.parameters.find((one) => one.name === name);
      expect(spec).toMatchObject({ shape: [14, 7], initialiser: { kind: 'constant', value: 0 } });
    }
  });
});

describe('the learning rate', () => {
  const rates = (changes: object) =>
    [0, 1, 48, 49].map((epoch) => Number(cosineLearningRate({ ...paper, ...changes }, epoch).toFixed(9)));

  it('is that of the next epoch, as published, or by a switch of its own', () => {
    expect(rates({})).toEqual([0.004996053, 0.004984229, 0.001003947, 0.001]);
    expect(rates({ scheduleAhead: false })).toEqual([0.005, 0.004996053, 0.001015771, 0.001003947]);
    expect(cosineLearningRate({ ...paper, learningRateMin: 0 }, 49)).toBe(0);
  });
});

describe('search batches', () => {
  const source: BatchSource = {
    statistics: tinyDataset(),
    train: Uint32Array.from({ length: 20 }, (_, i) => 2 * i),
    validation: Uint32Array.from({ length: 11 }, (_, i) => 2 * i + 1),
    order: 'draw',
    settings: tiny,
    seed: 3,
  };
  const drawn = (epoch: number, step: number, changes: Partial<BatchSource> = {}) => [
    ...epochBatches({ ...source, ...changes }, epoch).validation(step).positions,
  ];

  it('are whole beside a short training batch, of the second half, none twice in one', () => {
    expect([0, 1, 2].map((step) => epochBatches(source, 0).train(step).positions.length)).toEqual([8, 8, 4]);
    for (let step = 0; step < 50; step++) {
      const positions = drawn(0, step);
      expect(positions.length).toBe(8);
      expect(new Set(positions).size).toBe(8);
      expect(positions.every((position) => source.validation.includes(position))).toBe(true);
    }
  });

  it('are drawn anew each step, the same by the same seed, and take each image equally often', () => {
    expect(drawn(1, 2)).toEqual(drawn(1, 2));
    for (const other of [drawn(1, 3), drawn(2, 2), drawn(1, 2, { seed: 4 })]) expect(other).not.toEqual(drawn(1, 2));
    const steps = 4000;
    const counts = new Map<number, number>();
    for (const position of Array.from({ length: steps }, (_, step) => drawn(0, step)).flat()) {
      counts.set(position, (counts.get(position) ?? 0) + 1);
    }
    const share = 8 / 11;
    for (const count of counts.values()) {
      // Five deviations of a share of independent steps.
      expect(Math.abs(count / steps - share)).toBeLessThan(5 * Math.sqrt((share * (1 - share)) / steps));
    }
    // Images that come in two steps one after the other: 8²/11 by chance, of a walk 5.
    const both = Array.from({ length: steps }, (_, step) =>
      drawn(0, step).filter((i) => drawn(0, step + 1).includes(i)),
    );
    expect(both.flat().length / steps).toBeCloseTo(64 / 11, 1);
  });

  it('take all of a half that is smaller', () => {
    expect(drawn(0, 0, { validation: Uint32Array.of(5, 7, 9) }).toSorted()).toEqual([5, 7, 9]);
  });

  it('are followed by validation on images augmented by numbers of their own', () => {
    const [first, second] = validationBatches(source, { epoch: 4 });
    const { stream, ...augmentation } = first.augmentation;
    expect(augmentation).toEqual({ mean: [0.5], deviation: [0.25], pad: 1, flip: true, cutout: 0 });
    // Steps 0 to 2 are those of the epoch.
    expect(stream).toEqual({ seed: 3, purpose: 'validationAugmentation', epoch: 4, step: 3 });
    expect(second.augmentation.stream?.step).toBe(4);
    expect([...first.positions, ...second.positions]).toEqual([...source.validation]);
  });
});

describe('a step', () => {
  const { graph } = buildSupernet({
    ...{ space: 'fairdarts', inputShape: [8, 8, 1] as const, classes: 3 },
    ...{ initChannels: 2, layers: 3 },
  });
  const parameters = fakeParameters(graph, 0);
  const device = createFakeDevice();
  const program: Program = device.compile(graph, { batchSize: 4, parameters });
  const validationProgram: Program = device.compile(graph, { batchSize: 8, parameters });
  const batch = (name: string) => ({ name }) as unknown as GatheredBatch;
  const batches = { train: batch('train'), validation: batch('validation'), trainForAlpha: batch('train') };
  const common = { ...batches, program, validationProgram, learningRate: 0.004, update: 6 };
  const penalty = { kind: 'penalty', parameters, penalty: 'zeroOneL2', activation: 'sigmoid' };
  const adam = {
    ...{ kind: 'adam', parameters, learningRate: 3e-3, betas: [0.9, 0.999], epsilon: 1e-8 },
    ...{ weightDecay: 1e-3, step: 7 },
  };
  const sgd = { kind: 'sgd', parameters, learningRate: 0.004, momentum: 0.9, weightDecay: 3e-4, maxNorm: 5 };
  const commandsOf = (settings: typeof paper): Command[] => {
    const parts = fairdartsParts(settings);
    return [...parts.alpha({ ...common, settings }), ...parts.weights!({ ...common, settings })];
  };

  it('of two levels: alpha on the search batch with ten times the zero-one loss, then the weights at the new alpha', () => {
    expect(commandsOf(paper)).toEqual([
      { kind: 'gradients', program: validationProgram, batch: batches.validation, target: 'alpha' },
      { ...penalty, weight: 10 },
      adam,
      { kind: 'gradients', program, batch: batches.train, target: 'weights' },
      sgd,
      { ...penalty, weight: 0 },
    ]);
    expect(fairdartsParts(paper).validation).toBe('draw');
  });

  it('of one level: both gradients in one pass on the training batch, the weights first, beta1 as set', () => {
    expect(commandsOf({ ...paper, singleLevel: true, sepLoss: 'l1', auxLossWeight: 8, archLrGamma: 0.7 })).toEqual([
      { kind: 'gradients', program, batch: batches.train, target: 'both' },
      { ...penalty, penalty: 'zeroOneL1', weight: 8 },
      sgd,
      { ...adam, betas: [0.7, 0.999] },
    ]);
    expect(fairdartsParts({ ...paper, singleLevel: true }).validation).toBe('none');
  });

  it('reports the training loss with the zero-one loss at the new alpha, and both terms where alpha learned', () => {
    const [alpha, weights] = [
      [{ loss: 2 }, { penalty: -0.1 }, {}],
      [{ loss: 1.5, correct: 3 }, { gradientNorm: 4 }, { penalty: -0.125 }],
    ];
    expect(fairdartsParts(paper).outcome!(alpha, weights)).toEqual({
      ...{ loss: 0.25, correct: 3, gradientNorm: 4 },
      measures: { validationLoss: 2, zeroOneLoss: -0.1 },
    });
    const one = fairdartsParts({ ...paper, singleLevel: true });
    expect(one.outcome!([], [{ loss: 1.5, correct: 3 }, { penalty: -0.2 }, { gradientNorm: 4 }, {}])).toEqual({
      ...{ loss: -0.5, correct: 3, gradientNorm: 4 },
      measures: { validationLoss: 1.5, zeroOneLoss: -0.2 },
    });
  });
});

interface Told {
  readonly type: string;
  readonly [name: string]: unknown;
}

async function follow(options: MethodOptions, device: FakeDevice = createFakeDevice()) {
  const dataset = tinyDataset();
  const run = startMethod('search', { method: 'fairdarts', dataset, device, ...options });
  const events: Told[] = [];
  for await (const event of run) events.push(event as unknown as Told);
  const result = (await run.result) as unknown as Told;
  return { events, result, calls: device.calls };
}

describe('a run', () => {
  it('averages both terms of the alpha step, weighted by the training batch', async () => {
    const { events } = await follow({ settings: tinySettings });
    for (const epoch of [0, 1]) {
      const steps = events.filter(({ type, epoch: of }) => type === 'step' && of === epoch);
      const mean = (name: string) => steps.reduce((sum, step, i) => sum + Number(step[name]) * [8, 8, 4][i], 0) / 20;
      const told = events.find(({ type, epoch: of }) => type === 'epoch' && of === epoch)!;
      expect(told['searchLoss']).toBeCloseTo(mean('validationLoss'), 12);
      expect(told['zeroOneLoss']).toBeCloseTo(mean('zeroOneLoss'), 12);
      expect(told['trainLoss']).toBeCloseTo(mean('loss'), 12);
    }
  });

  it('validates on augmented images, or on plain ones by a switch', async () => {
    const padsOf = async (settings: object) => {
      const { calls } = await follow({ settings: { ...tinySettings, ...settings } });
      const evaluated = calls.flat().flatMap((one) => (one.kind === 'evaluate' ? [one.batch as GatheredBatch] : []));
      return [...new Set(evaluated.map(({ augmentation }) => augmentation.pad))];
    };
    expect(await padsOf({})).toEqual([1]);
    expect(await padsOf({ augmentedValidation: false })).toEqual([0]);
  });

  it('takes no search batch on one level', async () => {
    const { calls } = await follow({ settings: { ...tinySettings, singleLevel: true } });
    const learned = calls.flat().flatMap((one) => (one.kind === 'gradients' ? [[one.target, one.batch]] : []));
    expect(new Set(learned.map(([target]) => target))).toEqual(new Set(['both']));
    expect(learned.length).toBe(6);
  });

  it('says at its end that a cell was left empty, and has found it all the same', async () => {
    const { result } = await follow({ settings: { ...tinySettings, opThreshold: 1 } });
    const empty = { nodes: [[], [], [], []], concat: [] };
    expect(result['genotype']).toEqual({ normal: empty, reduce: empty, entries: 'triples' });
    expect(result['notices']).toEqual([
      expect.stringMatching(/^no network can be built of this selection: .*select by a threshold of /),
    ]);
    const pairs = await follow({ settings: { ...tinySettings, parseMethod: 'darts' } });
    expect(pairs.result).not.toHaveProperty('notices');
  });

  it('refuses names that are no rule before anything is searched, and grey images where colours are augmented', async () => {
    const named = follow({ settings: { ...tinySettings, parseMethod: 'threshold' } });
    await expect(named).rejects.toThrow(/expected one of darts, threshold_sparse, threshold_edge .*'threshold'/);
    const grey = follow({ settings: { ...tinySettings, autoAug: true } });
    await expect(grey).rejects.toThrow('autoAug takes images of three channels, but these have 1');
  });

  it('may have any of the spaces: its loss needs no sigmoid, and DARTS may have it', async () => {
    for (const method of ['fairdarts', 'darts']) {
      for (const [space, activation] of [
        ['fairdarts', 'sigmoid'],
        ['darts_without_none', 'softmax'],
        ['darts', 'softmax'],
      ]) {
        const { calls } = await follow({ method, space, settings: { ...tinySettings, auxLossWeight: 5 } });
        const penalties = calls.flat().filter(({ kind }) => kind === 'penalty');
        expect(penalties[0]).toMatchObject({ activation, weight: 5 });
        expect(penalties.length).toBe(12);
      }
    }
  });
});
