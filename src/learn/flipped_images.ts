// Whether images to learn from are mirrored by chance: as suits them, or as a published run did it all the same.
import type { Dataset, ImageSet } from '../data/dataset.ts';

/** What `flip` may be. */
export const flipChoices = ['usual', 'on', 'off'] as const;

/** One of {@link flipChoices}: what the dataset says, or one for all. */
export type FlipChoice = (typeof flipChoices)[number];

/** A dataset whose images are mirrored by chance where that is asked for; as it is by `usual`. Affine maps mirror by themselves. */
export function withFlip<Images extends ImageSet>(
  dataset: Dataset<Images>,
  choice: FlipChoice = 'usual',
): Dataset<Images> {
  if (choice === 'usual') return dataset;
  return { ...dataset, augmentation: { ...dataset.augmentation, flip: choice === 'on' } };
}
