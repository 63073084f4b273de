// Which forms of which kernels `dartsmith bench` goes through.
import { ArgumentError } from '../errors.ts';
import type { ImageShape } from '../kernels/arguments.ts';
import { type KernelName, kernelNames, kernelVariants } from '../kernels/catalogue.ts';
import type { KernelDefinition } from '../kernels/definition.ts';

/** Batch, height, width, channels. */
export type BenchShape = readonly [batch: number, height: number, width: number, channels: number];

/** One form of a kernel. */
export interface BenchCase {
  readonly kernel: KernelName;
  readonly definition: KernelDefinition;
  /** The same form on an image small enough for the reference. */
  readonly checked: KernelDefinition;
}

/** A kernel that does not take the shape. */
export interface SkippedKernel {
  readonly name: KernelName;
  readonly reason: string;
}

/** The cases of the named kernels. Of all kernels (no names), those that do not take the shape are left out, with the reason. */
export function planCases(
  names: readonly KernelName[],
  shape: BenchShape,
): { readonly cases: readonly BenchCase[]; readonly skipped: readonly SkippedKernel[] } {
  const cases: BenchCase[] = [];
  const skipped: SkippedKernel[] = [];
  for (const name of new Set(names.length > 0 ? names : kernelNames)) {
    try {
      cases.push(...casesOf(name, shape));
    } catch (error) {
      if (names.length > 0 || !(error instanceof ArgumentError)) throw error;
      skipped.push({ name, reason: error.message });
    }
  }
  return { cases, skipped };
}

function casesOf(kernel: KernelName, [, height, width, channels]: BenchShape): BenchCase[] {
  const definitions = kernelVariants(kernel, [height, width, channels]);
  const small = kernelVariants(kernel, smallImage([height, width, channels]));
  return definitions.map((definition, index) => ({ kernel, definition, checked: small[index] }));
}

/** At most 8x8 pixels; odd sides stay odd, so that the same forms exist. */
function smallImage([height, width, channels]: ImageShape): ImageShape {
  const side = (length: number) => (length <= 8 ? length : 8 - (length % 2));
  return [side(height), side(width), channels];
}

/** At least two images, and at least 16 pixels, or columns of a sequence, for the statistics of a normalisation. */
export function checkBatchSize({ inputs, length }: KernelDefinition): number {
  if (length !== undefined) return 16;
  const [input] = Object.values(inputs);
  if ('below' in input) return 2;
  const [height, width = 1, channels] = input;
  return channels === undefined ? 2 : Math.max(2, Math.ceil(16 / (height * width)));
}
