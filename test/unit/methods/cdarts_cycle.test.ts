// What CDARTS' cycle asks for step by step: which batches, and which groups of weights take part.
import { describe, expect, it } from 'vitest';
import { NamedMeans } from '../../../src/learn/named_means.ts';
import { type BatchPlace, CycleBatches } from '../../../src/methods/cdarts/batches.ts';
import { ReachedGroups } from '../../../src/methods/cdarts/reached.ts';

const half = (images: number) => new Uint32Array(images);
const places = (list: readonly BatchPlace[]) => list.map(({ epoch, step }) => `${epoch}.${step}`).join(' ');

describe('the batches of a cycle', () => {
  const settings = {
    ...{ batchSize: 8, stepsPerEpoch: 0, sampleRatio: 1, warmupEpochs: 2 },
    ...{ nasnetWarmup: 1, nasnetWarmupHalf: 'train' as const, iterationEpochs: 1 },
  } as const;

  it('are those of the smaller half, of which the train half is passed twice an epoch behind the warm-up', () => {
    const batches = new CycleBatches({ train: half(20), validation: half(21) }, settings);
    expect(batches.steps).toBe(3);
    expect(places([0, 1, 2].map((step) => batches.warmup(1, step)))).toBe('1.0 1.1 1.2');
    const steps = [0, 1, 2];
    expect(places(steps.map((step) => batches.evaluation(0, step)))).toBe('2.0 2.1 2.2');
    expect(places(steps.map((step) => batches.joint(0, step).train))).toBe('3.0 3.1 3.2');
    expect(places(steps.map((step) => batches.evaluation(1, step)))).toBe('4.0 4.1 4.2');
    expect(places(steps.map((step) => batches.joint(1, step).train))).toBe('5.0 5.1 5.2');
    expect(places(steps.map((step) => batches.joint(1, step).validation))).toBe('1.0 1.1 1.2');
    expect(batches.evaluation(1, 0).half).toBe('train');
  });

  it('go on where an epoch ended within a pass', () => {
    const batches = new CycleBatches({ train: half(16), validation: half(17) }, settings);
    expect(batches.steps).toBe(2);
    // Three batches of the validation half, two steps an epoch.
    const taken = [0, 1, 2].flatMap((epoch) => [0, 1].map((step) => batches.joint(epoch, step).validation));
    expect(places(taken)).toBe('0.0 0.1 0.2 1.0 1.1 1.2');
  });

  it('may have the evaluation network learn from the validation half, for some passes', () => {
    const split = { train: half(16), validation: half(16) };
    const batches = new CycleBatches(split, { ...settings, nasnetWarmup: 2, nasnetWarmupHalf: 'validation' });
    expect([batches.steps, batches.evaluationSteps]).toEqual([2, 4]);
    const alone = [0, 1, 2, 3].map((step) => batches.evaluation(1, step));
    expect(places(alone)).toBe('3.0 3.1 4.0 4.1');
    expect(new Set(alone.map(({ half }) => half))).toEqual(new Set(['validation']));
    const joint = [0, 1].map((step) => batches.joint(1, step));
    expect(places(joint.map(({ train }) => train))).toBe('3.0 3.1');
    expect(places(joint.map(({ validation }) => validation))).toBe('5.0 5.1');
  });

  it('may be passed several times with one decision', () => {
    const split = { train: half(16), validation: half(16) };
    const batches = new CycleBatches(split, { ...settings, iterationEpochs: 3 });
    expect([batches.steps, batches.evaluationSteps, batches.jointSteps]).toEqual([2, 2, 6]);
    const joint = [0, 1, 2, 3, 4, 5].map((step) => batches.joint(1, step));
    expect(places(joint.map(({ validation }) => validation))).toBe('3.0 3.1 4.0 4.1 5.0 5.1');
    // Two epochs of warm-up, then each time one of E alone and three of both.
    expect(places(joint.map(({ train }) => train))).toBe('7.0 7.1 8.0 8.1 9.0 9.1');
    expect(places([batches.evaluation(1, 0)])).toBe('6.0');
  });

  it.each([
    [1, 10],
    [0.999, 10],
    [0.2, 3],
    [1e-6, 1],
  ])('a share of %d of ten and one more are %d', (sampleRatio, steps) => {
    const split = { train: half(80), validation: half(80) };
    expect(new CycleBatches(split, { ...settings, sampleRatio }).steps).toBe(steps);
  });

  it('may be as many as one likes', () => {
    const batches = new CycleBatches({ train: half(16), validation: half(16) }, { ...settings, stepsPerEpoch: 3 });
    expect(batches.steps).toBe(3);
    expect(places([0, 1, 2].map((step) => batches.warmup(0, step)))).toBe('0.0 0.1 1.0');
    expect(places([0, 1, 2].map((step) => batches.warmup(1, step)))).toBe('1.1 2.0 2.1');
  });
});

describe('groups that take part in a step', () => {
  const search = new Set(['search', 'stem', 'heads']);

  it('are all that have had a gradient, from the first one on', () => {
    const reached = new ReachedGroups([], false);
    expect(reached.step(['search', 'stem'], search)).toEqual(['search', 'stem']);
    expect(reached.step(['evaluation', 'stem', 'heads'], new Set(['evaluation', 'stem', 'heads']))).toEqual([
      'stem',
      'evaluation',
      'heads',
    ]);
    expect(reached.step(['search', 'stem'], search)).toEqual(['search', 'stem', 'heads']);
    expect(new ReachedGroups(reached.list, false).step([], search)).toEqual(['search', 'stem', 'heads']);
  });

  it('are those of the pass alone where others are passed over', () => {
    const reached = new ReachedGroups(['heads'], true);
    expect(reached.step(['search', 'stem', 'evaluation'], search)).toEqual(['search', 'stem']);
  });
});

describe('groups that lost their gradients', () => {
  it('are left alone until the next one', () => {
    const reached = new ReachedGroups(['search', 'evaluation', 'evaluation.normal.0.3'], false);
    reached.forget((group) => group.startsWith('evaluation'));
    expect(reached.step([], new Set(['search', 'evaluation']))).toEqual(['search']);
    expect(reached.step(['evaluation'], new Set(['evaluation']))).toEqual(['evaluation']);
  });
});

describe('means of what some steps have', () => {
  it('are weighted, by name, and begin anew with each epoch', () => {
    const values = {};
    const means = new NamedMeans(values);
    means.add(2, { loss: 1 });
    means.add(6, { loss: 3, distance: 5 });
    expect(JSON.parse(JSON.stringify(values))).toEqual({ means: { loss: [20, 8], distance: [30, 6] } });
    expect(means.end()).toEqual({ loss: 2.5, distance: 5 });
    expect(means.end()).toEqual({});
  });

  it.each([[{ means: 3 }], [{ means: { loss: [1] } }], [{ means: { loss: ['1', 2] } }]])('refuse %j', (damaged) => {
    const values = {};
    const means = new NamedMeans(values);
    Object.assign(values, damaged);
    expect(() => means.add(1, { loss: 1 })).toThrow('the checkpoint is damaged: expected sums for the metadata means');
  });
});
