import type { AdamCommand, SgdCommand } from './device.ts';

/** The part of an arena that an optimiser moves. */
export interface MovedPart {
  readonly of: 'weights' | 'alpha';
  readonly offset: number;
  readonly size: number;
}

/** What each moves where it is not told. */
const usual = { sgd: 'weights', adam: 'alpha' } as const;

/** The part that a checked command moves. */
export function movedPart({ kind, parameters, of = usual[kind], group }: SgdCommand | AdamCommand): MovedPart {
  const { totals, groups } = parameters.map;
  if (of === 'alpha') return { of, offset: 0, size: totals.alpha };
  return { of, ...(group === undefined ? { offset: 0, size: totals.weight } : groups.get(group)!) };
}
