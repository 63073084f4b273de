// Sizes of images that a network takes: told where it does not take one.
import { ArgumentError } from '../errors.ts';
import { LayerSizeError } from '../operation/layer_size.ts';

type Size = readonly [height: number, width: number];

/** Images of a size that a network does not take, with sizes that it does. */
export class ImageSizeError extends ArgumentError {
  readonly #sizes: readonly Size[];
  readonly #found: Size;
  readonly #reason: string;

  constructor(sizes: readonly Size[], found: Size, reason: string, name = 'the height and width of inputShape') {
    const expected = sizes.map((size) => written(size)).join(' or ') || 'other images';
    super(`expected ${expected} for ${name} but received ${written(found)} (${reason})`);
    // What a program branches on.
    this.name = 'ArgumentError';
    this.#sizes = sizes;
    this.#found = found;
    this.#reason = reason;
  }

  /** The same with another name of what decides the size. */
  called(name: string): ImageSizeError {
    return new ImageSizeError(this.#sizes, this.#found, this.#reason, name);
  }
}

/** Work whose errors of size, if any, call what decides it by a name that its user knows. Throws what the work throws. */
export function callingSize<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof ImageSizeError ? error.called(name) : error;
  }
}

/**
 * What is built for images `[height, width, channels]`. Where a layer does not take their size, throws ImageSizeError with the next
 * ones that all layers take.
 */
export function buildForSize<T>(
  shape: readonly [number, number, number],
  build: (shape: readonly [number, number, number]) => T,
): T {
  try {
    return build(shape);
  } catch (error) {
    if (!(error instanceof LayerSizeError)) throw error;
    const [height, width, channels] = shape;
    const fits = (side: number) => isBuilt(() => build([side, side, channels]));
    const sizes = [-1, 1].flatMap((step): Size[] => {
      const sides = [height, width].map((side) => nextFitting(side, step, fits));
      return sides[0] === undefined || sides[1] === undefined ? [] : [[sides[0], sides[1]]];
    });
    throw new ImageSizeError(sizes, [height, width], error.message);
  }
}

/** Farther sizes help nobody. */
const mostTried = 64;

/** Height and width do not depend on one another. */
function nextFitting(side: number, step: number, fits: (side: number) => boolean): number | undefined {
  for (let tried = 0; tried <= mostTried; tried++) {
    const next = side + step * tried;
    if (next < 1) return undefined;
    if (fits(next)) return next;
  }
  return undefined;
}

function isBuilt(build: () => unknown): boolean {
  try {
    build();
    return true;
  } catch (error) {
    if (error instanceof ArgumentError) return false;
    throw error;
  }
}

function written([height, width]: Size): string {
  return height === width ? String(height) : `${height}x${width}`;
}
