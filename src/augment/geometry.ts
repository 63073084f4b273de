// Operations that move pixels. Those of AutoAugment take the nearest pixel, as PIL does, and mid-grey beyond the border, as the
// authors' code does.
import type { Image } from './image.ts';

/** What lies beyond the border. */
const fill = 128;

/** Row y of the result begins `share * y` pixels further right in the image. */
export function shearX(image: Image, share: number): Image {
  return affine(image, [1, share, 0, 0, 1, 0]);
}

/** Column x of the result begins `share * x` pixels further down in the image. */
export function shearY(image: Image, share: number): Image {
  return affine(image, [1, 0, 0, share, 1, 0]);
}

/** By whole pixels, to the right. */
export function translateX(image: Image, pixels: number): Image {
  return affine(image, [1, 0, -pixels, 0, 1, 0]);
}

/** By whole pixels, down. */
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

/** The centre (x, y) of each pixel of the result shows the image at (a x + b y + c, d x + e y + f). */
function affine(
  { pixels, shape }: Image,
  [a, b, c, d, e, f]: readonly [number, number, number, number, number, number],
): Image {
  const [height, width, channels] = shape;
  const moved = new Uint8Array(pixels.length).fill(fill);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const column = Math.floor(a * (x + 0.5) + b * (y + 0.5) + c);
      const row = Math.floor(d * (x + 0.5) + e * (y + 0.5) + f);
      if (column < 0 || column >= width || row < 0 || row >= height) continue;
      const [to, from] = [(y * width + x) * channels, (row * width + column) * channels];
      for (let channel = 0; channel < channels; channel++) moved[to + channel] = pixels[from + channel];
    }
  }
  return { pixels: moved, shape };
}
