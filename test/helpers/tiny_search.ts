import type { Dataset, ImageArrays } from '../../src/data/dataset.ts';
import type { SearchSettings } from '../../src/methods/darts/settings.ts';
import { randomBlock } from '../../src/random/philox.ts';

/** Three steps an epoch on {@link tinyDataset}, the last of 4 images. */
export const tinySettings: Partial<SearchSettings> = { batchSize: 8, epochs: 2, initChannels: 2, layers: 3 };

/** 40 random images in three classes, of 8x8 pixels unless told. */
export function tinyDataset(seed = 1, side = 8): Dataset {
  const shape = [side, side, 1] as const;
  const stream = { seed, purpose: 'split', epoch: 0, step: 0 } as const;
  const train: ImageArrays = {
    images: Uint8Array.from({ length: 40 * side ** 2 }, (_, i) => randomBlock(stream, i)[0] & 255),
    labels: Int32Array.from({ length: 40 }, (_, i) => i % 3),
    shape,
  };
  return {
    name: 'tiny',
    train,
    classes: 3,
    classNames: [],
    mean: [0.5],
    deviation: [0.25],
    augmentation: { pad: 1, flip: true },
    notices: [],
  };
}
