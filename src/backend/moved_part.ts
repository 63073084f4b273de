import type { AdamCommand, ClipCommand, SgdCommand } from './device.ts';
import { type WeightRange, weightRanges } from './parameter_map.ts';

/** The parts of an arena that an optimiser moves. */
export interface MovedParts {
  readonly of: 'weights' | 'alpha';
  readonly ranges: readonly WeightRange[];
}

/** What each moves where it is not told. */
const usual = { sgd: 'weights', adam: 'alpha' } as const;

/** The parts that a checked command moves. */
export function movedParts({ kind, parameters, of = usual[kind], groups }: SgdCommand | AdamCommand): MovedParts {
  const { map } = parameters;
  return { of, ranges: of === 'alpha' ? [{ offset: 0, size: map.totals.alpha }] : weightRanges(map, groups) };
}

/** The gradients that a checked command clips: parts of the weights' and, where there is any, all of alpha's. */
export function clippedParts({
  parameters,
  groups,
  alpha = false,
}: ClipCommand): Omit<MovedParts, 'of'> & { alpha: boolean } {
  const { map } = parameters;
  return { ranges: weightRanges(map, groups), alpha: alpha && map.totals.alpha > 0 };
}
