import { check, checkRecord, listOf, oneOf } from '../checks.ts';
import { ArgumentError, invalid } from '../errors.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { invalidWord } from '../suggest.ts';
import { cdartsSkeleton } from './cdarts.ts';
import { dartsSkeleton } from './darts.ts';
import { nasbench201Skeleton } from './nasbench201.ts';
import { networkVariants, type Skeleton } from './skeleton.ts';

/** The known skeletons by name. */
export const skeletons: Readonly<Record<'darts' | 'nasbench201' | 'cdarts', Skeleton>> = {
  darts: dartsSkeleton,
  nasbench201: nasbench201Skeleton,
  cdarts: cdartsSkeleton,
};

/** Name of one of {@link skeletons}. */
export type SkeletonName = keyof typeof skeletons;

/** Names of {@link skeletons}. */
export const skeletonNames = Object.keys(skeletons) as readonly SkeletonName[];

/** A skeleton that is given by name, or whole: one of your own. Throws ArgumentError for one that there is not, or that is not whole. */
export function skeletonOf(skeleton: SkeletonName | Skeleton): Skeleton {
  if (typeof skeleton !== 'string') return checked(skeleton);
  if (skeletonNames.includes(skeleton)) return skeletons[skeleton];
  throw invalidWord('skeleton', skeletonNames, skeleton);
}

/** Name of the skeleton that networks of a genotype have where nobody says otherwise. */
export function usualSkeleton({ cell }: Genotype): SkeletonName {
  return cell === undefined ? 'darts' : 'nasbench201';
}

/** The skeleton of a name that a file tells; undefined for one that is known to a program alone. */
export function knownSkeleton(name: string): Skeleton | undefined {
  return skeletonNames.includes(name as SkeletonName) ? skeletons[name as SkeletonName] : undefined;
}

function checked(skeleton: Skeleton): Skeleton {
  checkRecord('skeleton', skeleton, 'name, cells, operations and build, or the name of a known one,');
  const { name, cells } = skeleton;
  if (typeof name !== 'string' || name === '') throw invalid('skeleton.name', 'a name', name);
  const known = knownSkeleton(name);
  if (known === skeleton) return skeleton;
  if (known !== undefined)
    throw new ArgumentError(`expected a name of its own for a skeleton of yours but got '${name}'`);
  check('skeleton.cells', cells, oneOf(['types', 'one']));
  check(
    'skeleton.variants',
    skeleton.variants,
    listOf(oneOf(networkVariants), `a list of ${networkVariants.join(', ')}`),
  );
  checkRecord('skeleton.operations', skeleton.operations, 'functions by name');
  checkRecord('skeleton.usual', skeleton.usual, 'supernet and derived');
  for (const network of ['supernet', 'derived'] as const) {
    checkRecord(`skeleton.usual.${network}`, skeleton.usual[network], 'initChannels and layers');
  }
  if (skeleton.paired !== undefined) checkRecord('skeleton.paired', skeleton.paired, 'stack and reductionsOf');
  for (const part of ['kindsOf', 'strideOf', 'candidateName', 'operationName', 'build'] as const) {
    if (typeof skeleton[part] !== 'function') throw invalid(`skeleton.${part}`, 'a function', skeleton[part]);
  }
  return skeleton;
}
