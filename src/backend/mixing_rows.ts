// Given mixing weights, row by row.
import type { Mixing } from './device.ts';
import type { ParameterMap } from './parameter_map.ts';

/** A row whose mixing weights are given, and its place in the arena of alpha. */
export interface GivenRow {
  readonly offset: number;
  readonly weights: Float32Array;
}

/** The rows that checked mixing weights give. */
export function givenRows(mixing: Mixing | undefined, { places }: ParameterMap): GivenRow[] {
  return Object.entries(mixing ?? {}).flatMap(([name, given]) => {
    const { spec, offset } = places.get(name)!;
    let first = 0;
    return (spec.rowLengths ?? []).flatMap((length, row) => {
      first += length;
      const weights = given instanceof Float32Array ? given.subarray(first - length, first) : given[row];
      return weights === undefined ? [] : [{ offset: offset + first - length, weights }];
    });
  });
}
