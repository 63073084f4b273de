import type { Graph, ParameterSpec } from '../graph/graph.ts';
import { elementsOf } from '../graph/shape.ts';

/** The contiguous arenas of a graph's parameters; those of one group have equal length and share offsets. */
export type Arena =
  | 'weights'
  | 'weightGradients'
  | 'momentum'
  | 'buffers'
  | 'alpha'
  | 'alphaGradients'
  | 'alphaMean'
  | 'alphaVariance';

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
];

/** Where the values of each role lie. */
export const valueArenas = { weight: 'weights', buffer: 'buffers', alpha: 'alpha' } as const;

/** Arenas that a search must keep to go on with the same bits; the rest is recomputed each step. */
export const stateArenas: readonly Arena[] = ['weights', 'momentum', 'buffers', 'alpha', 'alphaMean', 'alphaVariance'];

/** Where a parameter lies within the arenas of its role. */
export interface ParameterPlace {
  readonly spec: ParameterSpec;
  /** In elements; a multiple of 16, so that every parameter starts a cache line. */
  readonly offset: number;
  readonly size: number;
}

/** Where every parameter of a graph lies; gaps between parameters hold zeros. */
export interface ParameterMap {
  readonly places: ReadonlyMap<string, ParameterPlace>;
  /** Elements of each role's arenas. */
  readonly totals: Readonly<Record<ParameterSpec['role'], number>>;
}

/** Lays a graph's parameters out; every backend uses this one layout. */
export function placeParameters(graph: Graph): ParameterMap {
  const totals = { weight: 0, buffer: 0, alpha: 0 };
  const places = new Map<string, ParameterPlace>();
  for (const spec of graph.parameters) {
    const size = elementsOf(spec.shape);
    places.set(spec.name, { spec, offset: totals[spec.role], size });
    totals[spec.role] += Math.ceil(size / 16) * 16;
  }
  return { places, totals };
}
