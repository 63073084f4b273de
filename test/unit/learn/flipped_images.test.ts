// Images that are mirrored though that does not suit them, as DARTS-PT's code does with SVHN: in searches and trainings.
import { describe, expect, it, vi } from 'vitest';
import type { GatheredBatch } from '../../../src/backend/device.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import type { FlipChoice } from '../../../src/learn/flipped_images.ts';
import { search } from '../../../src/search.ts';
import { train } from '../../../src/train.ts';
import { createFakeDevice } from '../../helpers/fake_device.ts';
import { tinyDataset } from '../../helpers/tiny_search.ts';

vi.mock('../../../src/report/draw.ts', () => ({ drawGenotype: async () => '' }));

const small = { batchSize: 8, epochs: 1, initChannels: 2, layers: 3 };

/** Whether each batch of a run was mirrored, those to score on included. */
async function mirrored(run: (device: ReturnType<typeof createFakeDevice>) => { readonly result: Promise<unknown> }) {
  const device = createFakeDevice();
  await run(device).result;
  const batches = device.calls
    .flat()
    .flatMap((command) => ('batch' in command ? [[command.kind, command.batch as GatheredBatch] as const] : []));
  const flips = (kind: string) =>
    new Set(batches.flatMap(([of, { augmentation }]) => (of === kind ? [augmentation.flip] : [])));
  return { learned: [...flips('gradients')], scored: [...flips('evaluate')] };
}

const images = (flip: boolean) => {
  const plain = tinyDataset();
  return { ...plain, augmentation: { ...plain.augmentation, flip }, test: tinyDataset(2).train };
};
const genotype = genotypes['DARTS_V2'];

describe('images to learn from', () => {
  it.each<[FlipChoice, boolean, boolean]>([
    ['usual', false, false],
    ['usual', true, true],
    ['on', false, true],
    ['off', true, false],
  ])('by %s of a dataset that says %s: %s', async (flip, suits, expected) => {
    const settings = { ...small, flip, auxiliary: false };
    const dataset = images(suits);
    const training = await mirrored((device) => train({ dataset, genotype, settings, device }));
    expect(training).toEqual({ learned: [expected], scored: [false] });
    const searching = await mirrored((device) => search({ dataset, settings: { ...small, flip }, device }));
    expect(searching).toEqual({ learned: [expected], scored: [false] });
  });

  it.each(['darts-pt', 'darts-pt-small'] as const)('are mirrored by the preset %s of trainings', async (preset) => {
    const settings = { ...small, auxiliary: false };
    const options = { dataset: images(false), genotype, settings, preset };
    expect((await mirrored((device) => train({ ...options, device }))).learned).toEqual([true]);
  });

  it.each([
    ['darts', 'darts-pt'],
    ['sdarts', 'paper'],
    ['blank', 'paper'],
  ] as const)('are mirrored by %s with the preset %s, those to validate on too', async (method, preset) => {
    const options = { dataset: images(false), settings: small, method, preset };
    const { learned, scored } = await mirrored((device) =>
      search({ ...options, device } as Parameters<typeof search>[0]),
    );
    expect({ learned, scored }).toEqual({ learned: [true], scored: [true] });
  });
});
