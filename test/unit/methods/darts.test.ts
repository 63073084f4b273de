import { describe, expect, it } from 'vitest';
import type { GatheredBatch, Program } from '../../../src/backend/device.ts';
import { cosineLearningRate } from '../../../src/learn/cosine.ts';
import { firstNonFinite } from '../../../src/learn/finite.ts';
import {
  type BatchSource,
  epochBatches,
  type PlannedBatch,
  stepsPerEpoch,
  validationBatches,
} from '../../../src/learn/search_batches.ts';
import { resolveSettings } from '../../../src/methods/darts/settings.ts';
import { dartsStep, dartsStepOutcome } from '../../../src/methods/darts/step.ts';
import { buildSupernet } from '../../../src/network/supernet.ts';
import { createFakeDevice, fakeParameters } from '../../helpers/fake_device.ts';
import { tinyDataset, tinySettings } from '../../helpers/tiny_search.ts';

const settings = resolveSettings('paper', tinySettings);

const dataset = tinyDataset();
const images = await createFakeDevice().createDataset(dataset.train);

function source(overrides: Partial<BatchSource> = {}): BatchSource {
  return {
    statistics: dataset,
    train: Uint32Array.from({ length: 20 }, (_, i) => 2 * i),
    validation: Uint32Array.from({ length: 11 }, (_, i) => 2 * i + 1),
    order: 'walk',
    settings,
    seed: 3,
    ...overrides,
  };
}

const all = (batches: PlannedBatch[]) => batches.flatMap(({ positions }) => [...positions]);
const gathered = ({ positions, augmentation }: PlannedBatch): GatheredBatch => ({
  dataset: images,
  indices: positions,
  augmentation,
});
const sorted = (values: Iterable<number>) => [...values].toSorted((a, b) => a - b);

describe('cosineLearningRate', () => {
  it('is the published schedule', () => {
    const paper = resolveSettings('paper');
    expect(cosineLearningRate(paper, 0)).toBe(0.025);
    expect(cosineLearningRate(paper, 25)).toBeCloseTo(0.013, 15);
    // cos(π/5) = (1 + √5)/4, and the curve is symmetric about its middle.
    expect(cosineLearningRate(paper, 10)).toBeCloseTo(0.001 + (0.024 * (5 + Math.sqrt(5))) / 8, 15);
    expect(cosineLearningRate(paper, 49)).toBeCloseTo(0.026 - cosineLearningRate(paper, 1), 15);
  });

  // arXiv:1911.12126's code under PyTorch 1.1 and later, 0.005 to 0.001 in 50 epochs.
  it('is one epoch ahead where the published code advances it first', () => {
    const ahead = { learningRate: 0.005, learningRateMin: 0.001, epochs: 50, scheduleAhead: true };
    const rates = [0, 1, 48, 49].map((epoch) => cosineLearningRate(ahead, epoch).toFixed(9));
    expect(rates).toEqual(['0.004996053', '0.004984229', '0.001003947', '0.001000000']);
    expect(cosineLearningRate({ ...ahead, learningRateMin: 0 }, 49)).toBe(0);
  });
});

describe('epochBatches', () => {
  it('shows each training image once an epoch, in an order of its own', () => {
    const { train } = epochBatches(source(), 0);
    expect(stepsPerEpoch(source())).toBe(3);
    const steps = [0, 1, 2].map(train);
    expect(steps.map(({ positions }) => positions.length)).toEqual([8, 8, 4]);
    expect(sorted(all(steps))).toEqual([...source().train]);
    expect(all(steps)).not.toEqual([...source().train]);
    expect(all([0, 1, 2].map(epochBatches(source(), 1).train))).not.toEqual(all(steps));
    expect(all([0, 1, 2].map(epochBatches(source(), 0).train))).toEqual(all(steps));
  });

  it('walks around the shuffled validation split in batches of the same sizes', () => {
    const { validation } = epochBatches(source(), 0);
    const steps = [0, 1, 2].map(validation);
    expect(steps.map(({ positions }) => positions.length)).toEqual([8, 8, 4]);
    const drawn = all(steps);
    expect(sorted(drawn.slice(0, 11))).toEqual([...source().validation]);
    expect(drawn.slice(11)).toEqual(drawn.slice(0, 9));
  });

  it('names its augmentation by split, epoch and step', () => {
    const batches = epochBatches(source(), 4);
    expect(batches.train(2).augmentation).toEqual({
      mean: [0.5],
      deviation: [0.25],
      pad: 1,
      flip: true,
      cutout: 0,
      stream: { seed: 3, purpose: 'trainAugmentation', epoch: 4, step: 2 },
    });
    expect(batches.validation(1).augmentation.stream).toEqual({
      seed: 3,
      purpose: 'validationAugmentation',
      epoch: 4,
      step: 1,
    });
    const cutout = source({ settings: { ...settings, cutout: true, cutoutLength: 5 } });
    expect(epochBatches(cutout, 0).train(0).augmentation.cutout).toBe(5);
  });

  it('may hide a square of some images only, of more from epoch to epoch up to the last', () => {
    const hiding = source({ settings: { ...settings, cutout: true, cutoutProb: 0.6, cutoutRise: true, epochs: 5 } });
    const probabilities = [0, 2, 4, 9].map((epoch) => epochBatches(hiding, epoch).train(0).augmentation);
    expect(probabilities.map(({ cutoutProbability = 1 }) => cutoutProbability)).toEqual([0, 0.3, 0.6, 0.6]);
    const steady = source({ settings: { ...settings, cutout: true, cutoutProb: 0.25 } });
    expect(epochBatches(steady, 0).validation(1).augmentation.cutoutProbability).toBe(0.25);
  });

  it('validates on the whole split as it is, in order', () => {
    const batches = validationBatches(source());
    expect(batches.map(({ positions }) => positions.length)).toEqual([8, 3]);
    expect(all(batches)).toEqual([...source().validation]);
    expect(batches[0].augmentation).toEqual({ mean: [0.5], deviation: [0.25], pad: 0, flip: false, cutout: 0 });
  });
});

describe('dartsStep', () => {
  const { graph } = buildSupernet({ inputShape: [8, 8, 1], classes: 3, initChannels: 2, layers: 3 });
  const parameters = fakeParameters(graph, 0);
  const program: Program = createFakeDevice().compile(graph, { batchSize: 8, parameters });
  const batches = epochBatches(source(), 0);
  const options = {
    program,
    train: gathered(batches.train(0)),
    validation: gathered(batches.validation(0)),
    settings,
    learningRate: 0.02,
    update: 6,
  };

  it('first order: alpha on the validation batch, then weights on the training batch', () => {
    expect(dartsStep(options)).toEqual([
      { kind: 'gradients', program, batch: options.validation, target: 'alpha' },
      {
        kind: 'adam',
        parameters,
        learningRate: 3e-4,
        betas: [0.5, 0.999],
        epsilon: 1e-8,
        weightDecay: 1e-3,
        step: 7,
      },
      { kind: 'gradients', program, batch: options.train, target: 'weights' },
      { kind: 'sgd', parameters, learningRate: 0.02, momentum: 0.9, weightDecay: 3e-4, maxNorm: 5 },
    ]);
  });

  it('second order: the hypergradient with the current learning rate as ξ', () => {
    const [alpha, ...rest] = dartsStep({ ...options, settings: { ...settings, unrolled: true } });
    expect(alpha).toEqual({
      kind: 'hypergradient',
      program,
      train: options.train,
      validation: options.validation,
      learningRate: 0.02,
      momentum: 0.9,
      weightDecay: 3e-4,
    });
    expect(rest).toEqual(dartsStep(options).slice(1));
  });

  it('reads its outcomes, and takes what is absent for NaN', () => {
    const outcome = dartsStepOutcome([{ loss: 1, correct: 9 }, {}, { loss: 2, correct: 3 }, { gradientNorm: 4 }]);
    expect(outcome).toEqual({ loss: 2, correct: 3, validationLoss: 1, gradientNorm: 4 });
    expect(dartsStepOutcome([{}, {}, {}, {}]).loss).toBeNaN();
  });

  it('finds the parameter that is no longer finite', async () => {
    const spoilt = fakeParameters(graph, 0);
    expect(await firstNonFinite(spoilt)).toBeUndefined();
    await spoilt.set('classifier.bias', Float32Array.of(0, Number.NEGATIVE_INFINITY, 0));
    expect(await firstNonFinite(spoilt)).toBe('classifier.bias');
  });
});
