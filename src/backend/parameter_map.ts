import { unexpected } from '../errors.ts';
import { defaultGroup, type Graph, type ParameterSpec } from '../graph/graph.ts';
import { isSameParameter } from '../graph/parameter.ts';
import { elementsOf } from '../graph/shape.ts';

/** The contiguous arenas of a graph's parameters; those of one role have equal length and share offsets (`variance` may be empty). */
export type Arena =
  | 'weights'
  | 'weightGradients'
  | 'momentum'
  | 'buffers'
  | 'alpha'
  | 'alphaGradients'
  | 'alphaMean'
  | 'alphaVariance'
  | 'variance'
  | 'states';

/** Every arena, in the numbering that the native side uses. */
export const arenas: readonly Arena[] = [
  'weights',
  'weightGradients',
  'momentum',
  'buffers',
  'alpha',
  'alphaGradients',
  'alphaMean',
  'alphaVariance',
  'variance',
  'states',
];

/** Where the values of each role lie. */
export const valueArenas = { weight: 'weights', buffer: 'buffers', alpha: 'alpha', state: 'states' } as const;

/** Arenas that a search must keep to go on with the same bits; the rest is recomputed each step. */
export const stateArenas: readonly Arena[] = [
  'weights',
  'momentum',
  'buffers',
  'alpha',
  'alphaMean',
  'alphaVariance',
  'states',
];

/** Where a parameter lies within the arenas of its role. */
export interface ParameterPlace {
  readonly spec: ParameterSpec;
  /** In elements; a multiple of 16, so that every parameter starts a cache line. */
  readonly offset: number;
  readonly size: number;
}

/** Part of the arenas of weights. */
export interface WeightRange {
  readonly offset: number;
  readonly size: number;
}

/** Where every parameter of a graph lies; gaps between parameters hold zeros. */
export interface ParameterMap {
  /** In the order of the graph. */
  readonly places: ReadonlyMap<string, ParameterPlace>;
  /** Elements of each role's arenas. */
  readonly totals: Readonly<Record<ParameterSpec['role'], number>>;
  /** Where the weights of each group lie, all of them side by side. */
  readonly groups: ReadonlyMap<string, WeightRange>;
  /** Whether there is an arena of second moments of the weights' gradients, for Adam. */
  readonly secondMoments: boolean;
}

/** Lays parameters out; every backend uses this one layout. */
export function placeParameters(
  { parameters }: Pick<Graph, 'parameters'>,
  { secondMoments = false }: { readonly secondMoments?: boolean } = {},
): ParameterMap {
  const totals = { weight: 0, buffer: 0, alpha: 0, state: 0 };
  const offsets = new Map<ParameterSpec, number>();
  const place = (spec: ParameterSpec) => {
    offsets.set(spec, totals[spec.role]);
    totals[spec.role] += Math.ceil(elementsOf(spec.shape) / 16) * 16;
  };
  for (const spec of parameters) if (spec.role !== 'weight') place(spec);
  const weights = parameters.filter(({ role }) => role === 'weight');
  const groups = new Map<string, WeightRange>();
  for (const group of new Set(weights.map(groupOf))) {
    const offset = totals.weight;
    for (const spec of weights) if (groupOf(spec) === group) place(spec);
    groups.set(group, { offset, size: totals.weight - offset });
  }
  const placed = parameters.map((spec): [string, ParameterPlace] => [
    spec.name,
    { spec, offset: offsets.get(spec) ?? 0, size: elementsOf(spec.shape) },
  ]);
  return { places: new Map(placed), totals, groups, secondMoments };
}

/** Where groups that there are lie, in order, those side by side as one; all weights when absent. */
export function weightRanges({ totals, groups }: ParameterMap, names: readonly string[] | undefined): WeightRange[] {
  if (names === undefined) return [{ offset: 0, size: totals.weight }];
  const ranges: WeightRange[] = [];
  for (const [name, range] of groups) {
    if (!names.includes(name)) continue;
    const last = ranges.at(-1);
    if (last === undefined || last.offset + last.size < range.offset) ranges.push(range);
    else ranges.splice(-1, 1, { offset: last.offset, size: last.size + range.size });
  }
  return ranges;
}

function groupOf({ group = defaultGroup }: ParameterSpec): string {
  return group;
}

/** The parameters of several graphs, those of one name once. Throws ArgumentError where they do not agree on what one is. */
export function unionOf(graphs: readonly Graph[]): Pick<Graph, 'parameters'> {
  const union = new Map<string, ParameterSpec>();
  for (const [index, { parameters }] of graphs.entries()) {
    for (const spec of parameters) {
      const known = union.get(spec.name);
      if (known === undefined) union.set(spec.name, spec);
      else if (!isSameParameter(known, spec)) {
        throw unexpected(`graphs[${index}]`, `${spec.name} as an earlier graph has it`, 'another');
      }
    }
  }
  return { parameters: [...union.values()] };
}
