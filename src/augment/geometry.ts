// Operations that move pixels, as PIL does: they take the nearest pixel, or a bicubic mean of 4x4, and beyond the border mid-grey unless
// told otherwise, as the authors' code of AutoAugment does.
import type { Image } from './image.ts';

const midGrey = 128;

/** How a place between pixels gets its value. */
export type Sampling = 'nearest' | 'bicubic';

/** Row y of the result begins `share * y` pixels further right in the image. */
export function shearX(image: Image, share: number, sampling: Sampling = 'nearest'): Image {
  return affine(image, [1, share, 0, 0, 1, 0], { sampling });
}

/** Column x of the result begins `share * x` pixels further down in the image. */
export function shearY(image: Image, share: number, sampling: Sampling = 'nearest'): Image {
  return affine(image, [1, 0, 0, share, 1, 0], { sampling });
}

/** To the right, to the nearest pixel. */
export function translateX(image: Image, pixels: number): Image {
  return affine(image, [1, 0, -pixels, 0, 1, 0]);
}

/** Down, to the nearest pixel. */
export function translateY(image: Image, pixels: number): Image {
  return affine(image, [1, 0, 0, 0, 1, -pixels]);
}

/** Around the centre, counter-clockwise. */
export function rotate(image: Image, degrees: number): Image {
  const [height, width] = image.shape;
  const [cosine, sine] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  const [x, y] = [width / 2, height / 2];
  return affine(image, [cosine, -sine, x - cosine * x + sine * y, sine, cosine, y - sine * x - cosine * y]);
}

/** Left becomes right. */
export function mirror(image: Image): Image {
  return affine(image, [-1, 0, image.shape[1], 0, 1, 0]);
}

/** Top becomes bottom. */
export function turnOver(image: Image): Image {
  return affine(image, [1, 0, 0, 0, -1, image.shape[0]]);
}

/** Two rows [a, b, c] and [d, e, f]. */
export type AffineMatrix = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

/** What lies beyond the border, and how a place between pixels gets its value: mid-grey and the nearest when absent. */
export interface AffineOptions {
  readonly fill?: number;
  readonly sampling?: Sampling;
}

/** The centre (x, y) of each pixel of the result shows the image at (a x + b y + c, d x + e y + f). */
export function affine(
  { pixels, shape }: Image,
  [a, b, c, d, e, f]: AffineMatrix,
  { fill = midGrey, sampling = 'nearest' }: AffineOptions = {},
): Image {
  const [height, width, channels] = shape;
  const moved = new Uint8Array(pixels.length).fill(fill);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const across = a * (x + 0.5) + b * (y + 0.5) + c;
      const down = d * (x + 0.5) + e * (y + 0.5) + f;
      const [column, row] = [Math.floor(across), Math.floor(down)];
      if (column < 0 || column >= width || row < 0 || row >= height) continue;
      const [to, from] = [(y * width + x) * channels, (row * width + column) * channels];
      for (let channel = 0; channel < channels; channel++) {
        moved[to + channel] =
          sampling === 'nearest'
            ? pixels[from + channel]
            : bicubic({ pixels, shape }, across - 0.5, down - 0.5, channel);
      }
    }
  }
  return { pixels: moved, shape };
}

/** PIL's bicubic: Keys' kernel with a = -1 over pixels at whole coordinates, those of the border repeated, the value cut off. */
function bicubic({ pixels, shape }: Image, x: number, y: number, channel: number): number {
  const [height, width, channels] = shape;
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const at = (row: number, column: number) => pixels[(row * width + column) * channels + channel];
  const near = (first: number, size: number) =>
    [-1, 0, 1, 2].map((step) => Math.min(size - 1, Math.max(0, first + step)));
  const columns = near(left, width);
  const lines = near(top, height).map((row) =>
    cubic(
      columns.map((column) => at(row, column)),
      x - left,
    ),
  );
  return Math.min(255, Math.max(0, Math.trunc(cubic(lines, y - top))));
}

/** Of four values one after another, at a share of the way from the second to the third; of equal ones exactly what they are. */
function cubic([a, b, c, d]: readonly number[], t: number): number {
  return b + t * (c - a + t * (2 * (a - b) + c - d + t * (b - a + d - c)));
}
