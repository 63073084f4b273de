// What a penalty is taken over: rows in the arena of alpha, and which of their entries count.
import type { PenaltyCommand } from './device.ts';

/** A row within the arena. */
interface Row {
  readonly offset: number;
  readonly length: number;
}

/** Rows and entries of a penalty, and the share of one term in it. */
export interface PenaltyRows {
  readonly rows: readonly Row[];
  /** By place in the arena, 1 or 0. */
  readonly counted: Uint8Array;
  /** Of an entry (`beta`: of a row). */
  readonly share: number;
}

/** The rows of the tables that a checked command names, or of all. */
export function penaltyRows({ parameters, penalty, entries }: PenaltyCommand): PenaltyRows {
  const { places, totals } = parameters.map;
  const rows: Row[] = [];
  const counted = new Uint8Array(totals.alpha);
  for (const [name, { spec, offset, size }] of places) {
    const given = entries?.[name];
    if (spec.role !== 'alpha' || (entries !== undefined && given === undefined)) continue;
    if (given === undefined) counted.fill(1, offset, offset + size);
    else counted.set(given, offset);
    let first = offset;
    for (const length of spec.rowLengths ?? []) {
      rows.push({ offset: first, length });
      first += length;
    }
  }
  return { rows, counted, share: shareOf(penalty, rows, counted) };
}

/** A mean over nothing is 0. */
function shareOf(penalty: PenaltyCommand['penalty'], rows: readonly Row[], counted: Uint8Array): number {
  if (penalty === 'l1') return 1;
  const terms =
    penalty === 'beta'
      ? rows.filter(({ offset }) => counted[offset] === 1).length
      : counted.reduce((sum, one) => sum + one, 0);
  return terms === 0 ? 0 : 1 / terms;
}
