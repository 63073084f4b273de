// Which cells of a network have alpha, and what is decided, in common: all of a kind, or those of a kind within a stage.
import type { CellKind } from '../genotype/genotype.ts';
import type { CellPlace } from '../skeleton/skeleton.ts';

/** Name of such cells: their kind, or `KIND_STAGE` such as `normal_0`. */
export type CellSet = string;

/** The set that a cell is in, by its place. */
export type SetOf = (place: Pick<CellPlace, 'kind' | 'layer'>) => CellSet;

/** All of a kind. */
export const byKind: SetOf = ({ kind }) => kind;

/** Those of a kind within a stage: what reduces ends one. `reductions` are the numbers of the network's. */
export function byStage(reductions: readonly number[]): SetOf {
  return ({ kind, layer }) => {
    const index = Number(layer.slice(layer.lastIndexOf('.') + 1));
    return `${kind}_${reductions.filter((reduction) => index > reduction).length}`;
  };
}

/** Kind of the cells of a set. */
export function kindOf(set: CellSet): CellKind {
  return set.split('_')[0] as CellKind;
}
