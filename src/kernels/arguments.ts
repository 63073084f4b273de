// What the kernels of the catalogue are asked for, checked before anything is built.
import { invalid } from '../errors.ts';

/** `[height, width, channels]` of one image. */
export type ImageShape = readonly [height: number, width: number, channels: number];

/** What every kernel on images takes. */
export interface ImageOptions {
  /** `[height, width, channels]` of the input, or of each where there are several. */
  readonly shape: ImageShape;
}

/** What every kernel with a sliding window takes. Padding keeps the size at stride 1; `ceil(size / stride)` in general. */
export interface WindowOptions extends ImageOptions {
  /** Side of the window, an odd number; 3 when absent. */
  readonly kernel?: number;
  /** 1 when absent. */
  readonly stride?: number;
}

/** A window whose taps may lie apart. */
export interface DilatedOptions extends WindowOptions {
  /** Distance of neighbouring taps; 1 when absent. */
  readonly dilation?: number;
}

/** A checked image shape. */
export function imageShape(shape: unknown): ImageShape {
  if (Array.isArray(shape) && shape.length === 3) {
    const [height, width, channels] = shape.map((size) => count('shape', size));
    return [height, width, channels];
  }
  throw invalid('shape', '[height, width, channels]', shape);
}

/** A checked integer of at least `low`. */
export function count(name: string, value: unknown, low = 1): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= low) return value;
  throw invalid(name, low === 1 ? 'a positive integer' : `an integer of at least ${low}`, value);
}

/** A checked choice. */
export function choice<T extends string | boolean>(name: string, value: T, choices: readonly T[]): T {
  if (choices.includes(value)) return value;
  const words = choices.map((word) => (typeof word === 'string' ? `'${word}'` : String(word)));
  throw invalid(name, words.join(' or '), value);
}

/** A checked window with the padding that keeps the size at stride 1. */
export function slidingWindow({ kernel = 3, stride = 1, dilation = 1 }: Omit<DilatedOptions, 'shape'>) {
  if (count('kernel', kernel) % 2 === 0) throw invalid('kernel', 'an odd number', kernel);
  count('dilation', dilation);
  return { kernel, stride: count('stride', stride), dilation, padding: (dilation * (kernel - 1)) / 2 };
}

/** A kernel's name with its window: `depthwise 5x5 dilation 2`. */
export function windowName(name: string, { kernel, stride, dilation }: ReturnType<typeof slidingWindow>): string {
  const parts = [name, `${kernel}x${kernel}`];
  if (dilation > 1) parts.push(`dilation ${dilation}`);
  if (stride > 1) parts.push(`stride ${stride}`);
  return parts.join(' ');
}

/** Names and shapes of several like inputs: `x0`, `x1` and so on. */
export function likeInputs(shape: ImageShape, terms: number): Record<`x${number}`, ImageShape> {
  return Object.fromEntries(Array.from({ length: terms }, (_, index) => [`x${index}`, shape]));
}
