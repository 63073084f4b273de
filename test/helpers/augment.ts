// A batch gathered from uint8 images in float64, written from the rule of src/backend/device.ts and native/cpu/gather.cc.
import type { Augmentation } from '../../src/backend/device.ts';
import type { ImageArrays } from '../../src/data/dataset.ts';
import { randomBlock } from '../../src/random/philox.ts';

/** What happens to one image of a batch. */
export interface AugmentationDraw {
  /** How far the crop lies below and right of the unpadded image; negative for above and left. */
  readonly shift: readonly [number, number];
  readonly mirrored: boolean;
  /** The middle of the square that is cut out, where one is. */
  readonly hole?: readonly [number, number];
}

/** The draw of the batch's `position`-th image; undefined where nothing is random. */
export function drawAugmentation(
  { stream, pad, flip, cutoutProbability = 1 }: Augmentation,
  [height, width]: readonly number[],
  position: number,
): AugmentationDraw | undefined {
  if (stream === undefined) return undefined;
  const [row, column, mirror, hole] = randomBlock(stream, position);
  const below = (word: number, bound: number) => Math.floor((word * bound) / 2 ** 32);
  return {
    shift: [below(row, 2 * pad + 1) - pad, below(column, 2 * pad + 1) - pad],
    mirrored: flip && mirror >= 2 ** 31,
    // One word serves both coordinates: its high half the row, its low half the column.
    // The bits below the mirror's say whether there is one.
    ...((mirror % 2 ** 31) / 2 ** 31 < cutoutProbability && {
      hole: [Math.floor(((hole >>> 16) * height) / 2 ** 16), Math.floor(((hole & 0xffff) * width) / 2 ** 16)],
    }),
  };
}

/** The batch `[indices, height, width, channels]`. */
export function augmentBatch(source: ImageArrays, indices: Uint32Array, augmentation: Augmentation): Float64Array {
  const length = source.shape[0] * source.shape[1] * source.shape[2];
  const batch = new Float64Array(indices.length * length);
  indices.forEach((index, position) => {
    const pixels = source.images.subarray(index * length, (index + 1) * length);
    batch.set(augmentImage(pixels, source.shape, augmentation, position), position * length);
  });
  return augmentation.share === undefined ? batch : mixed(batch, indices.length, augmentation.share);
}

/** Images mixed with their partners, from the other end of the batch: of float32 numbers, the partner's product and the sum rounded. */
function mixed(batch: Float64Array, count: number, share: number): Float64Array {
  const length = batch.length / count;
  const [own, rest] = [Math.fround(share), Math.fround(1 - Math.fround(share))];
  return batch.map((value, i) => {
    const position = Math.floor(i / length);
    const partner = count - 1 - position;
    if (partner === position) return Math.fround(value);
    const other = Math.fround(batch[partner * length + (i % length)]);
    return Math.fround(own * Math.fround(value) + Math.fround(rest * other));
  });
}

function augmentImage(
  pixels: Uint8Array,
  shape: ImageArrays['shape'],
  augmentation: Augmentation,
  position: number,
): Float64Array {
  const [height, width, channels] = shape;
  const draw = drawAugmentation(augmentation, shape, position);
  const [down, right] = draw?.shift ?? [0, 0];
  const out = new Float64Array(pixels.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const column = (draw?.mirrored ? width - 1 - x : x) + right;
      const inside = y + down >= 0 && y + down < height && column >= 0 && column < width;
      if (draw?.hole !== undefined && cutOut(augmentation.cutout, draw.hole, y, x)) continue;
      for (let c = 0; c < channels; c++) {
        // Padding is black, so that it too is normalised.
        const value = inside ? pixels[((y + down) * width + column) * channels + c] / 255 : 0;
        out[(y * width + x) * channels + c] = (value - augmentation.mean[c]) / augmentation.deviation[c];
      }
    }
  }
  return out;
}

function cutOut(side: number, [row, column]: readonly [number, number], y: number, x: number): boolean {
  const top = row - Math.floor(side / 2);
  const left = column - Math.floor(side / 2);
  return y >= top && y < top + side && x >= left && x < left + side;
}
