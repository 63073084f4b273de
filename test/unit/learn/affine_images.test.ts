// Affine maps of MNIST and FashionMNIST: which images they move, what goes with them, and what runs make of that.
import { describe, expect, it } from 'vitest';
import type { AffineChoice } from '../../../src/augment/affine.ts';
import type { AugmentSettings } from '../../../src/augment/augment.ts';
import type { Augmentation, GatheredBatch } from '../../../src/backend/device.ts';
import type { Dataset } from '../../../src/data/dataset.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { withAffine } from '../../../src/learn/affine_images.ts';
import { type RunCommand, runCommands } from '../../../src/methods/method.ts';
import type { MethodOptions } from '../../../src/run/options.ts';
import { startMethod } from '../../../src/run/start.ts';
import { createFakeDevice } from '../../helpers/fake_device.ts';
import { tinyDataset, tinySettings } from '../../helpers/tiny_search.ts';

const nothing: AugmentSettings = { randomResizedCrop: false, autoAugment: 'off', colorJitter: 0, hueJitter: 0 };
const maps = { mean: [0.4], deviation: [0.3] };
/** Images that maps suit, and that are flipped or not. */
const clothes = { ...tinyDataset(), affine: { ...maps, flip: true } };
const digits = { ...tinyDataset(), affine: { ...maps, flip: false } };

describe('withAffine', () => {
  const placed = (dataset: Dataset, choice?: AffineChoice) => withAffine(dataset, nothing, choice).augment.placement;

  it('leaves images as they are that no maps suit, and all where none are asked for', () => {
    for (const [dataset, choice] of [
      [tinyDataset(), 'published'],
      [clothes, 'off'],
      [clothes, undefined],
    ] as const) {
      const { dataset: same, augment, notices } = withAffine(dataset, nothing, choice);
      expect([same, augment, notices]).toEqual([dataset, nothing, []]);
      expect(same).toBe(dataset);
    }
  });

  it('turns clothes upside down as published, or mirrors them, and digits neither', () => {
    expect(placed(clothes, 'published')).toEqual({ affine: 'upsideDown' });
    expect(placed(clothes, 'mirrored')).toEqual({ affine: 'mirrored' });
    expect(placed(digits, 'published')).toEqual({ affine: 'none' });
    expect(placed(digits, 'mirrored')).toEqual({ affine: 'none' });
  });

  it('takes the place of cropping and of mirroring, with mean and deviation of its own', () => {
    const { dataset } = withAffine(clothes, nothing, 'published');
    expect(dataset).toEqual({ ...clothes, ...maps, augmentation: { pad: 0, flip: false } });
  });

  it('leaves AutoAugment out, which is told by the name that it has', () => {
    const asked = { ...nothing, autoAugment: 'fairdarts' } as const;
    const { augment, notices } = withAffine(digits, asked, 'published', 'autoAug');
    expect(augment.autoAugment).toBe('off');
    expect(notices).toEqual([
      'autoAug is left out: as published, affine maps alone move the images of tiny (setting affine)',
    ]);
    expect(withAffine(tinyDataset(), asked, 'published').augment.autoAugment).toBe('fairdarts');
  });
});

/** What the device is told to do to images in training and in scoring, and what a run tells before it begins. */
async function follow(command: RunCommand, options: MethodOptions) {
  const device = createFakeDevice();
  const own = command === 'train' ? { genotype: genotypes['DARTS_V2'] } : { method: 'stacnas' };
  const started = startMethod(command, { device, ...own, ...options });
  let notices: readonly string[] = [];
  for await (const event of started) if (event.type === 'start') notices = event.notices;
  const told = (kind: string) =>
    device.calls
      .flat()
      .flatMap((one): Augmentation[] =>
        one.kind === kind && 'batch' in one ? [(one.batch as GatheredBatch).augmentation] : [],
      );
  return { notices, learned: told('gradients'), scored: told('evaluate') };
}

describe.each(runCommands.filter((command) => command !== 'select'))('%s', (command) => {
  const own = { ...tinySettings, epochs: 1, ...(command === 'train' ? { auxiliary: false } : { stage: 'search1' }) };
  const policy = command === 'train' ? { autoAugment: 'fairdarts' } : { autoAug: true };
  const withTest = (dataset: Dataset) => ({ ...dataset, test: tinyDataset(2).train });

  it.each(['published', 'mirrored'] as const)('leaves nothing but cutout to the device, affine %s', async (affine) => {
    const { learned, scored } = await follow(command, {
      dataset: withTest(clothes),
      settings: { ...own, affine } as MethodOptions['settings'],
    });
    expect(learned.length).toBeGreaterThan(4);
    for (const augmentation of learned) expect(augmentation).toMatchObject({ ...maps, pad: 0, flip: false });
    for (const augmentation of scored) expect(augmentation).toMatchObject(maps);
  });

  it('crops and mirrors what no maps suit, or where they are off', async () => {
    for (const [dataset, affine] of [
      [tinyDataset(), 'published'],
      [clothes, 'off'],
    ] as const) {
      const { learned } = await follow(command, {
        dataset: withTest(dataset),
        settings: { ...own, affine } as MethodOptions['settings'],
      });
      for (const augmentation of learned) {
        expect(augmentation).toMatchObject({ mean: [0.5], deviation: [0.25], pad: 1, flip: true });
      }
    }
  });

  it('tells that AutoAugment is left out beside the maps, and refuses it for grey images without them', async () => {
    const [called] = Object.keys(policy);
    const run = (affine: AffineChoice) =>
      follow(command, {
        dataset: withTest(digits),
        settings: { ...own, ...policy, affine } as MethodOptions['settings'],
      });
    const { notices } = await run('published');
    expect(notices.filter((line) => line.includes('left out'))).toEqual([
      expect.stringMatching(`^${called} is left out`),
    ]);
    await expect(run('off')).rejects.toThrow(`${called} takes images of three channels, but these have 1`);
  });
});
