// Batches of images, augmented as the native backends do: the same Philox stream, the same arithmetic.

import type { ImageArrays } from '../../data/dataset.ts';
import { randomBlock } from '../../random/philox.ts';
import { cutoutChance } from '../cutout_chance.ts';
import type { Augmentation } from '../device.ts';
import { normalisationTable } from '../normalisation.ts';

/** `word` as a number below `bound`. */
const below = (word: number, bound: number) => Math.floor((word * bound) / 2 ** 32);

/** What happens to one image, drawn from one block: crop row and column, mirror and whether there is a hole, its centre. */
function draw(augmentation: Augmentation, sample: number, height: number, width: number) {
  const { stream, pad, flip } = augmentation;
  if (stream === undefined) return { top: 0, left: 0, mirror: false, cuts: false };
  const [a, b, c, d] = randomBlock(stream, sample);
  return {
    top: below(a, 2 * pad + 1) - pad,
    left: below(b, 2 * pad + 1) - pad,
    mirror: flip && c >= 2 ** 31,
    cuts: (c & 0x7fffffff) < cutoutChance(augmentation),
    hole: [below((d & 0xffff0000) >>> 0, height), below((d << 16) >>> 0, width)] as const,
  };
}

/** Labels of mixed images: those of their partners, and the share of their own. */
export interface MixedLabels {
  readonly partners: Int32Array;
  readonly share: number;
}

/** Images `[batch, height, width, channels]` and labels of dataset positions. */
export function gatherBatch(
  { images, labels, shape }: ImageArrays,
  indices: Uint32Array,
  augmentation: Augmentation,
): { images: Float32Array; labels: Int32Array; mixed?: MixedLabels } {
  const [height, width, channels] = shape;
  const size = height * width * channels;
  const table = normalisationTable(augmentation);
  const output = new Float32Array(indices.length * size);
  indices.forEach((index, sample) => {
    const source = images.subarray(index * size, (index + 1) * size);
    const target = output.subarray(sample * size, (sample + 1) * size);
    const { top, left, mirror, cuts, hole } = draw(augmentation, sample, height, width);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const [row, column] = [y + top, (mirror ? width - 1 - x : x) + left];
        const inside = row >= 0 && row < height && column >= 0 && column < width;
        for (let c = 0; c < channels; c++) {
          const value = inside ? source[(row * width + column) * channels + c] : 0;
          target[(y * width + x) * channels + c] = table[c * 256 + value];
        }
      }
    }
    if (cuts && hole !== undefined && augmentation.cutout > 0) cutOut(target, shape, hole, augmentation.cutout);
  });
  const own = Int32Array.from(indices, (index) => labels[index]);
  const share = Math.fround(augmentation.share ?? 1);
  if (share === 1) return { images: output, labels: own };
  mixPartners(output, size, share);
  return { images: output, labels: own, mixed: { partners: own.toReversed(), share } };
}

/**
 * Each image with the one as far from the end as it is from the start. Native backends round the sum once, this one to float64 before,
 * which differs by the last bit of one number in some hundred million.
 */
function mixPartners(images: Float32Array, size: number, share: number): void {
  const rest = Math.fround(1 - share);
  const count = images.length / size;
  for (let first = 0; first < Math.floor(count / 2); first++) {
    const [a, b] = [first, count - 1 - first].map((at) => images.subarray(at * size, (at + 1) * size));
    for (let i = 0; i < size; i++) {
      const [own, other] = [a[i], b[i]];
      a[i] = share * own + Math.fround(rest * other);
      b[i] = share * other + Math.fround(rest * own);
    }
  }
}

function cutOut(
  image: Float32Array,
  [height, width, channels]: readonly [number, number, number],
  [row, column]: readonly [number, number],
  side: number,
): void {
  const [top, left] = [row - Math.floor(side / 2), column - Math.floor(side / 2)];
  const [first, last] = [Math.max(0, left), Math.min(width, left + side)];
  for (let y = Math.max(0, top); y < Math.min(height, top + side); y++) {
    if (first < last) image.fill(0, (y * width + first) * channels, (y * width + last) * channels);
  }
}
