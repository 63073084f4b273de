import type { Image } from '../../../src/augment/image.ts';
import { type Random, randomOf } from '../../../src/augment/random.ts';
import { randomBlock } from '../../../src/random/philox.ts';

/** Random RGB pixels. */
export function noise(height: number, width: number, seed = 5): Image {
  const stream = { seed, purpose: 'split', epoch: 0, step: 0 } as const;
  const pixels = Uint8Array.from({ length: height * width * 3 }, (_, i) => randomBlock(stream, i)[0] & 255);
  return { pixels, shape: [height, width, 3] };
}

/** The random numbers of an image. */
export function draws(image: number, seed = 1): Random {
  return randomOf({ seed, purpose: 'imageAugmentation', epoch: 0, step: image });
}
