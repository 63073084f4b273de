import type { AdamCommand, SgdCommand } from './device.ts';
import { type WeightRange, weightRange } from './parameter_map.ts';

/** The part of an arena that an optimiser moves. */
export interface MovedPart extends WeightRange {
  readonly of: 'weights' | 'alpha';
}

/** What each moves where it is not told. */
const usual = { sgd: 'weights', adam: 'alpha' } as const;

/** The part that a checked command moves. */
export function movedPart({ kind, parameters, of = usual[kind], group }: SgdCommand | AdamCommand): MovedPart {
  const { map } = parameters;
  return { of, ...(of === 'alpha' ? { offset: 0, size: map.totals.alpha } : weightRange(map, group)) };
}
