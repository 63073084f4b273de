import type { Dataset, ImageArrays, ImageSet } from './dataset.ts';

/** How much of a source to read. */
export interface ReadOptions {
  /** Training images to keep, the first ones; all when absent. */
  readonly limit?: number;
  /** Read what a network is scored on and no more: there are no training images then, and need be none. */
  readonly testOnly?: boolean;
  readonly signal?: AbortSignal;
}

/** What the files of a dataset hold; normalisation and augmentation are added by `loadDataset`. */
export type ImageSource<Images extends ImageSet = ImageArrays> = Pick<
  Dataset<Images>,
  'train' | 'test' | 'lacksTest' | 'classes' | 'classNames' | 'notices'
>;
