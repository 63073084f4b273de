import { type AffineFlip, moveAffinely } from './affine.ts';
import type { Image } from './image.ts';
import type { Random } from './random.ts';

/** How an image is placed in what is made of it, as a device does where nothing follows. */
export interface CroppedPlacement {
  /** Black pixels added on each side before a random crop of the original size; 0 for none. */
  readonly pad: number;
  /** Mirror horizontally with probability one half. */
  readonly flip: boolean;
}

/** The same by a random affine map, which no device does. */
export interface AffinePlacement {
  readonly affine: AffineFlip;
}

/** One of both. */
export type Placement = CroppedPlacement | AffinePlacement;

/** Moves an image by a random map, or pads, crops and mirrors it. */
export function place(image: Image, placement: Placement, random: Random): Image {
  return 'affine' in placement ? moveAffinely(image, placement.affine, random) : crop(image, placement, random);
}

function crop({ pixels, shape }: Image, { pad, flip }: CroppedPlacement, random: Random): Image {
  const [height, width, channels] = shape;
  const [down, right] = [random.below(2 * pad + 1) - pad, random.below(2 * pad + 1) - pad];
  const mirrored = flip && random.next() < 0.5;
  const placed = new Uint8Array(pixels.length);
  for (let y = 0; y < height; y++) {
    const row = y + down;
    if (row < 0 || row >= height) continue;
    for (let x = 0; x < width; x++) {
      const column = (mirrored ? width - 1 - x : x) + right;
      if (column < 0 || column >= width) continue;
      const [to, from] = [(y * width + x) * channels, (row * width + column) * channels];
      for (let channel = 0; channel < channels; channel++) placed[to + channel] = pixels[from + channel];
    }
  }
  return { pixels: placed, shape };
}
