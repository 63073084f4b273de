// What pictures of cells call their parts.
import { type CellKey, type GenotypeEdge, inputsOf, recurrentCell } from '../genotype/genotype.ts';

/** What a cell of a kind begins with: what the cells before it gave, or a word and what the cell gave for the words before it. */
export function inputNames(key: CellKey): readonly string[] {
  return key === recurrentCell ? ['x_{t}', 'h_{t-1}'] : ['c_{k-2}', 'c_{k-1}'].slice(-inputsOf(key));
}

export function outputName(key: CellKey): string {
  return key === recurrentCell ? 'h_{t}' : 'c_{k}';
}

/** The states of a cell: its inputs, of a recurrent one what both make together, and its nodes. */
export function stateNames(key: CellKey, nodes: number): readonly string[] {
  if (key === recurrentCell) return Array.from({ length: nodes + 1 }, (_, state) => `${state}`);
  return [...inputNames(key), ...Array.from({ length: nodes }, (_, node) => `${node}`)];
}

/** What an edge does, its weight first where it has one: 0.2386 × skip_connect. */
export function operationText({ operation, weight }: GenotypeEdge): string {
  return weight === undefined ? operation : `${Number(weight.toPrecision(4))} × ${operation}`;
}
