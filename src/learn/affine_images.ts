// Which images random affine maps move, and what goes with that: a method asks for the maps, a dataset says whether they suit its images.
import type { AffineChoice, AffineFlip } from '../augment/affine.ts';
import type { AugmentSettings } from '../augment/augment.ts';
import type { Dataset, ImageSet } from '../data/dataset.ts';

/** Images to learn from, and what is done to them. */
export interface AugmentedImages<Images extends ImageSet> {
  /** With mean and deviation, and with what a device does. */
  readonly dataset: Dataset<Images>;
  /** What is done before that; with a placement where affine maps move the images. */
  readonly augment: AugmentSettings;
  /** What a user should know, a line each. */
  readonly notices: readonly string[];
}

const flips: Readonly<Record<Exclude<AffineChoice, 'off'>, AffineFlip>> = {
  published: 'upsideDown',
  mirrored: 'mirrored',
};

/**
 * A dataset whose images affine maps move in place of padding, cropping and mirroring, where that is asked for and suits them; any other as
 * it is. Beside the maps AutoAugment, which the user may know by another name, is left out, as StacNAS' code does (arXiv:1909.11926).
 */
export function withAffine<Images extends ImageSet>(
  dataset: Dataset<Images>,
  augment: AugmentSettings,
  choice: AffineChoice = 'off',
  called = 'autoAugment',
): AugmentedImages<Images> {
  const { affine, name } = dataset;
  if (choice === 'off' || affine === undefined) return { dataset, augment, notices: [] };
  const { mean, deviation, flip } = affine;
  return {
    dataset: { ...dataset, mean, deviation, augmentation: { pad: 0, flip: false } },
    augment: { ...augment, autoAugment: 'off', placement: { affine: flip ? flips[choice] : 'none' } },
    notices:
      augment.autoAugment === 'off'
        ? []
        : [`${called} is left out: as published, affine maps alone move the images of ${name} (setting affine)`],
  };
}
