import { describe, expect, it } from 'vitest';
import type { Device, DeviceDataset, GatheredBatch } from '../../../src/backend/device.ts';
import { openFeed } from '../../../src/learn/feed.ts';
import { mixupShare } from '../../../src/learn/mixup.ts';
import { dropPathFactor, trainLearningRate } from '../../../src/learn/schedule.ts';
import { rankOf } from '../../../src/learn/score.ts';
import { type FedBatch, testBatches, trainBatches } from '../../../src/learn/train_batches.ts';
import { ImagePool } from '../../../src/load/pool.ts';
import {
  resolveTrainSettings,
  type TrainSettings,
  trainPresets,
  trainSettingRules,
} from '../../../src/methods/train/settings.ts';
import { averageDecay } from '../../../src/methods/train/step.ts';
import { isAllowed } from '../../../src/setting_rules.ts';

describe('learning rates', () => {
  const cosine = trainPresets.cifar10.settings;
  const exponential = trainPresets.imagenet.settings;

  it('fall by the published cosine from 0.025 to 0', () => {
    expect(trainLearningRate(cosine, 0)).toBe(0.025);
    expect(trainLearningRate(cosine, 300)).toBeCloseTo(0.0125, 12);
    expect(trainLearningRate(cosine, 599)).toBeCloseTo(0.0125 * (1 + Math.cos((Math.PI * 599) / 600)), 12);
  });

  it('are those of the next epoch where the schedule is ahead, so that the last one has none', () => {
    const ahead = { ...trainPresets.fairdarts.settings };
    expect(trainLearningRate(ahead, 0)).toBeCloseTo(0.0125 * (1 + Math.cos(Math.PI / 600)), 15);
    expect(trainLearningRate(ahead, 598)).toBe(trainLearningRate(cosine, 599));
    expect(trainLearningRate(ahead, 599)).toBe(0);
    expect(trainLearningRate({ ...exponential, scheduleAhead: true }, 3)).toBeCloseTo(0.1 * 0.97 ** 4, 12);
  });

  it('fall in as many epochs as are told, and rise again', () => {
    const short = { ...cosine, annealEpochs: 200 };
    const rates = [0, 100, 200, 300, 400].map((epoch) => trainLearningRate(short, epoch).toFixed(12));
    expect(rates).toEqual([0.025, 0.0125, 0, 0.0125, 0.025].map((rate) => rate.toFixed(12)));
  });

  it('fall by a factor an epoch', () => {
    expect(trainLearningRate(exponential, 0)).toBe(0.1);
    expect(trainLearningRate(exponential, 3)).toBeCloseTo(0.1 * 0.97 ** 3, 12);
  });

  it('are warmed up: an epoch of five after the other', () => {
    const warm = { ...exponential, warmupEpochs: 5 };
    expect(
      [0, 1, 4, 5].map((epoch) => (trainLearningRate(warm, epoch) / trainLearningRate(exponential, epoch)).toFixed(12)),
    ).toEqual([0.2, 0.4, 1, 1].map((share) => share.toFixed(12)));
  });

  it("are warmed up as CDARTS' authors mean it: of large batches alone, by fifths", () => {
    const { settings } = trainPresets['cdarts-imagenet'];
    const share = (change: object, epoch: number) =>
      trainLearningRate({ ...settings, ...change }, epoch) / trainLearningRate({ ...settings, warmupEpochs: 0 }, epoch);
    const shares = (change: object) => [0, 3, 4, 5].map((epoch) => share(change, epoch).toFixed(12));
    const rising = [0.2, 0.8, 1, 1].map((value) => value.toFixed(12));
    expect(shares({})).toEqual(rising);
    expect(shares({ batchSize: 257 })).toEqual(rising);
    expect(shares({ batchSize: 256 })).toEqual([1, 1, 1, 1].map((value) => value.toFixed(12)));
    expect(shares({ warmupEpochs: 4 })).toEqual([0.2, 0.8, 1, 1].map((value) => value.toFixed(12)));
    expect(shares({ warmupEpochs: 3 })[1]).toBe((1).toFixed(12));
  });

  it('leave drop path to rise from 0', () => {
    expect([0, 300, 599].map((epoch) => dropPathFactor(cosine, epoch))).toEqual([0, 0.5, 599 / 600]);
  });
});

describe('settings', () => {
  it.each(Object.entries(trainPresets))('of the preset %s keep their rules', (_, { settings }) => {
    expect(Object.keys(settings).sort()).toEqual(Object.keys(trainSettingRules).sort());
    for (const [name, value] of Object.entries(settings)) {
      expect(isAllowed(trainSettingRules[name as keyof typeof settings], value), name).toBe(true);
    }
  });

  it('refuse what is out of range', () => {
    expect(() => resolveTrainSettings('quick', { dropPathProb: 1 })).toThrow('dropPathProb');
    expect(() => resolveTrainSettings('quick', { schedule: 'linear' as 'cosine' })).toThrow(
      'one of cosine, power, exponential',
    );
  });
});

async function collect(batches: AsyncIterable<FedBatch>): Promise<GatheredBatch[]> {
  const all: GatheredBatch[] = [];
  for await (const { batch } of batches) all.push(batch);
  return all;
}

describe('batches', async () => {
  const dataset = { count: 10, shape: [4, 4, 1], dispose() {} } as unknown as DeviceDataset;
  const device = { createDataset: async () => dataset } as unknown as Device;
  const arrays = { images: new Uint8Array(160), labels: new Int32Array(10), shape: [4, 4, 1] } as const;
  const images = await openFeed(device, arrays, { pool: new ImagePool(), seed: 3 });
  const statistics = { mean: [0.5], deviation: [0.25], augmentation: { pad: 2, flip: true } };
  const settings = { ...trainPresets.cifar10.settings, batchSize: 4, epochs: 4 };
  const batchesOf = async (epoch: number, changes: Partial<TrainSettings> = {}, first = 0) =>
    collect(trainBatches({ images, statistics, settings: { ...settings, ...changes }, seed: 3 }, epoch, first));
  const all = async (epoch: number) => (await batchesOf(epoch)).flatMap(({ indices }) => [...indices]);

  it('of training take every image once, in an order of the epoch, the last batch as small as what is left', async () => {
    expect((await all(0)).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(await all(1)).not.toEqual(await all(0));
    expect(await all(0)).toEqual(await all(0));
    expect((await batchesOf(0))[2].indices.length).toBe(2);
  });

  it('of training begin at any step with the same batches', async () => {
    expect(await batchesOf(1, {}, 1)).toEqual((await batchesOf(1)).slice(1));
    expect(await batchesOf(1, {}, 3)).toEqual([]);
  });

  it('of training are not padded where a random resized crop takes the place of that', async () => {
    expect((await batchesOf(0, { randomResizedCrop: true }))[0].augmentation).toMatchObject({ pad: 0, flip: true });
  });

  it('of training are left in place where a policy needs them cropped and mirrored before', async () => {
    const [{ augmentation }] = await batchesOf(0, { autoAugment: 'fairdarts' });
    expect(augmentation).toMatchObject({ pad: 0, flip: false, cutout: 16 });
    expect((await batchesOf(0, { autoAugment: 'cifar10' }))[0].augmentation).toMatchObject({ pad: 2, flip: true });
  });

  it('of training are augmented, and drop paths as the epoch says', async () => {
    const batch = (await batchesOf(1))[2];
    expect(batch.augmentation).toEqual({
      ...{ mean: [0.5], deviation: [0.25], pad: 2, flip: true, cutout: 16 },
      stream: { seed: 3, purpose: 'trainAugmentation', epoch: 1, step: 2 },
    });
    expect(batch.dropout).toEqual({ seed: 3, epoch: 1, step: 2, pathFactor: 0.25 });
    const plain = (await batchesOf(1, { dropPathProb: 0 }))[2];
    expect(plain).not.toHaveProperty('dropout');
  });

  it('of training are mixed by shares of their own where mixup is on', async () => {
    const shares = async (mixup: number) =>
      (await batchesOf(1, { mixup })).map(({ augmentation }) => augmentation.share);
    expect(await shares(0)).toEqual([undefined, undefined, undefined]);
    const some = await shares(1);
    expect(new Set(some).size).toBe(3);
    expect(await shares(1)).toEqual(some);
  });

  it('of a test come in order, as they are', async () => {
    const batches = await collect(testBatches(images, statistics, 4));
    expect(batches.map(({ indices }) => [...indices])).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ]);
    expect(batches[0].augmentation).toEqual({ mean: [0.5], deviation: [0.25], pad: 0, flip: false, cutout: 0 });
  });
});

describe('mixupShare', () => {
  const drawn = (alpha: number) =>
    Array.from({ length: 4000 }, (_, step) => mixupShare(alpha, { seed: 3, purpose: 'mixup', epoch: 0, step }));
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

  it.each([1, 0.4, 0.2])('has the moments of the larger part of Beta(%d, %d)', (alpha) => {
    const shares = drawn(alpha);
    expect(shares.every((share) => share >= 0.5 && share <= 1)).toBe(true);
    // λ and 1 - λ have the same variance about a half: 1 / (4 (2α + 1)).
    const variance = mean(shares.map((share) => (share - 0.5) ** 2));
    expect(Math.abs(variance - 1 / (4 * (2 * alpha + 1)))).toBeLessThan((5 * 0.125) / Math.sqrt(shares.length));
  });

  it('is even for α of 1', () => {
    expect(Math.abs(mean(drawn(1)) - 0.75)).toBeLessThan(5 * Math.sqrt(1 / 48 / 4000));
  });

  it('is a number for the smallest α', () => {
    expect(
      drawn(1e-6)
        .slice(0, 100)
        .every((share) => share > 0.999 && share <= 1),
    ).toBe(true);
  });
});

describe('averageDecay', () => {
  it('rises to that of the settings', () => {
    expect([0, 10, 1e6].map((update) => averageDecay(0.99, update))).toEqual([0.1, 0.55, 0.99]);
  });
});

describe('rankOf', () => {
  it.each([
    [[3, 1, 2], 0, { best: 0, rank: 0 }],
    [[3, 1, 2], 1, { best: 0, rank: 2 }],
    [[1, 1, 1], 1, { best: 0, rank: 1 }],
    [[0, 5, 5], 2, { best: 1, rank: 1 }],
  ])('of %j and label %d', (logits, label, expected) => {
    expect(rankOf(logits, label)).toEqual(expected);
  });
});
