import { ArgumentError } from '../errors.ts';
import type { AlphaLayout } from '../select/layout.ts';
import { knownSkeleton, type SkeletonName } from '../skeleton/skeletons.ts';

/**
 * The skeleton of a run's network, by name. Throws ArgumentError where that, or one of some operations, is a program's own, which no file can
 * hold; `lost` says what cannot be done then.
 */
export function recordedSkeleton(
  { skeleton = 'darts' }: AlphaLayout,
  names: readonly string[],
  directory: string,
  lost: string,
): SkeletonName {
  const known = knownSkeleton(skeleton);
  if (known === undefined) throw new ArgumentError(`the skeleton ${skeleton} of ${directory} is no known one: ${lost}`);
  const strange = names.find((name) => !Object.hasOwn(known.operations, name));
  if (strange === undefined) return skeleton as SkeletonName;
  throw new ArgumentError(`the operation ${strange} of ${directory} is no known one: ${lost}`);
}
