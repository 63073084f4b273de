// Operations on the colours of uint8 RGB images; each rounds as the operation of the same name in PIL does.
import { greyOf, type Image } from './image.ts';

const values = 256;

/** 255 - v. */
export function invert(image: Image): Image {
  return mapValues(image, (value) => 255 - value);
}

/** Inverts values from `threshold` on. */
export function solarize(image: Image, threshold: number): Image {
  return mapValues(image, (value) => (value < threshold ? value : 255 - value));
}

/** Keeps the `bits` highest bits of each value. */
export function posterize(image: Image, bits: number): Image {
  const mask = 256 - 2 ** (8 - bits);
  return mapValues(image, (value) => value & mask);
}

/** Stretches each channel so that its darkest value becomes 0 and its lightest 255; a channel of one value stays. */
export function autoContrast(image: Image): Image {
  return mapChannels(image, (histogram) => {
    const low = histogram.findIndex((count) => count > 0);
    const high = histogram.findLastIndex((count) => count > 0);
    if (high <= low) return undefined;
    const scale = 255 / (high - low);
    return (value) => Math.trunc(value * scale - low * scale);
  });
}

/** Flattens the histogram of each channel; one with too few values to spread stays. */
export function equalize(image: Image): Image {
  return mapChannels(image, (histogram) => {
    const last = histogram.findLastIndex((count) => count > 0);
    const total = histogram.reduce((sum, count) => sum + count, 0);
    const step = Math.floor((total - histogram[last]) / 255);
    if (step === 0) return undefined;
    let below = Math.floor(step / 2);
    const table = Array.from(histogram, (count) => {
      const value = Math.floor(below / step);
      below += count;
      return value;
    });
    return (value) => table[value];
  });
}

/** Factor 0 is black, 1 the image. */
export function brightness(image: Image, factor: number): Image {
  return mapValues(image, (value) => mix(0, value, factor));
}

/** Factor 0 is an even grey, 1 the image. */
export function contrast(image: Image, factor: number): Image {
  const { pixels } = image;
  let sum = 0;
  for (let i = 0; i < pixels.length; i += 3) sum += greyOf(pixels[i], pixels[i + 1], pixels[i + 2]);
  const mean = Math.floor(sum / (pixels.length / 3) + 0.5);
  return mapValues(image, (value) => mix(mean, value, factor));
}

/** Saturation: factor 0 is shades of grey, 1 the image. */
export function saturation(image: Image, factor: number): Image {
  const { pixels } = image;
  const greys = new Uint8Array(pixels.length);
  for (let i = 0; i < pixels.length; i += 3) {
    const grey = greyOf(pixels[i], pixels[i + 1], pixels[i + 2]);
    greys[i] = grey;
    greys[i + 1] = grey;
    greys[i + 2] = grey;
  }
  return blend(image, greys, factor);
}

/** Factor 0 is smoothed by a 3x3 window of weights 1 around a 5 (its border stays), 1 the image. */
export function sharpness(image: Image, factor: number): Image {
  const { pixels, shape } = image;
  const [height, width, channels] = shape;
  const row = width * channels;
  const smooth = pixels.slice();
  for (let y = 1; y < height - 1; y++) {
    for (let i = y * row + channels; i < (y + 1) * row - channels; i++) {
      let sum = 4 * pixels[i];
      for (let line = i - row; line <= i + row; line += row) {
        sum += pixels[line - channels] + pixels[line] + pixels[line + channels];
      }
      smooth[i] = Math.floor(sum / 13 + 0.5);
    }
  }
  return blend(image, smooth, factor);
}

/** Turns the hue by a share of the colour circle. PIL rounds hues to eight bits on the way; this does not. */
export function turnHue(image: Image, turn: number): Image {
  const { pixels, shape } = image;
  const turned = new Uint8Array(pixels.length);
  for (let i = 0; i < pixels.length; i += 3) {
    const [red, green, blue] = [pixels[i], pixels[i + 1], pixels[i + 2]];
    const most = Math.max(red, green, blue);
    const chroma = most - Math.min(red, green, blue);
    const hue = hueOf(red, green, blue, most, chroma) + 6 * turn;
    // Of HSV: channel n is most - chroma * clamp(min(k, 4 - k), 0, 1) with k = (n + hue) mod 6 for n of 5, 3 and 1.
    for (let channel = 0; channel < 3; channel++) {
      const k = modulo(5 - 2 * channel + hue, 6);
      turned[i + channel] = Math.round(most - chroma * Math.max(0, Math.min(k, 4 - k, 1)));
    }
  }
  return { pixels: turned, shape };
}

/** In sixths of the circle, red at 0. */
function hueOf(red: number, green: number, blue: number, most: number, chroma: number): number {
  if (chroma === 0) return 0;
  if (most === red) return (green - blue) / chroma;
  return most === green ? 2 + (blue - red) / chroma : 4 + (red - green) / chroma;
}

function modulo(value: number, divisor: number): number {
  return value - divisor * Math.floor(value / divisor);
}

/** Each value of an image mixed with that of another, cut off to a byte. */
function blend({ pixels, shape }: Image, others: Uint8Array, factor: number): Image {
  const blended = new Uint8ClampedArray(pixels.length);
  for (let i = 0; i < pixels.length; i++) blended[i] = mix(others[i], pixels[i], factor);
  return { pixels: new Uint8Array(blended.buffer), shape };
}

function mix(other: number, value: number, factor: number): number {
  return Math.trunc(other + factor * (value - other));
}

function mapValues({ pixels, shape }: Image, map: (value: number) => number): Image {
  const table = Uint8ClampedArray.from({ length: values }, (_, value) => map(value));
  const mapped = new Uint8Array(pixels.length);
  for (let i = 0; i < pixels.length; i++) mapped[i] = table[pixels[i]];
  return { pixels: mapped, shape };
}

/** Maps each channel by what its histogram says; undefined leaves it alone. */
function mapChannels(
  { pixels, shape }: Image,
  mapOf: (histogram: Float64Array) => ((value: number) => number) | undefined,
): Image {
  const channels = shape[2];
  const mapped = pixels.slice();
  for (let channel = 0; channel < channels; channel++) {
    const histogram = new Float64Array(values);
    for (let i = channel; i < pixels.length; i += channels) histogram[pixels[i]]++;
    const map = mapOf(histogram);
    if (map === undefined) continue;
    const table = Uint8ClampedArray.from({ length: values }, (_, value) => map(value));
    for (let i = channel; i < pixels.length; i += channels) mapped[i] = table[pixels[i]];
  }
  return { pixels: mapped, shape };
}
