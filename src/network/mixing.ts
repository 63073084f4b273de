import { anInteger, check, listOf, oneOf, typedArray } from '../checks.ts';
import type { MixingActivation } from '../graph/graph.ts';
import { mixingActivations } from '../space/space.ts';

const rows = listOf(anInteger(1), 'a list of positive integers, one a row,');
const activations = oneOf(mixingActivations);

/**
 * Mixing weights of one table of architecture parameters, in float64, one row an edge: softmax over the row
 * (arXiv:1806.09055, equation 2), or the sigmoid of each entry. `alpha` holds the rows one after another.
 */
export function mixingWeights(
  alpha: Float32Array,
  rowLengths: readonly number[],
  activation: MixingActivation,
): number[][] {
  check('rowLengths', rowLengths, rows);
  check('activation', activation, activations);
  const total = rowLengths.reduce((sum, length) => sum + length, 0);
  check('alpha', alpha, typedArray('Float32Array', total, 'values, one a candidate'));
  let offset = 0;
  return rowLengths.map((length) => {
    const row = [...alpha.subarray(offset, offset + length)];
    offset += length;
    return activation === 'softmax' ? softmax(row) : row.map(sigmoid);
  });
}

/**
 * Mixing weights of a table whose edges count by the softmax of their node's row of `betas`: a number an edge, in the order of the table's rows.
 * `edges` tells their nodes, which come one after another.
 */
export function weighedByNode(
  mixing: readonly (readonly number[])[],
  betas: Float32Array,
  edges: readonly { readonly node: number }[],
): number[][] {
  const nodes = [...new Set(edges.map(({ node }) => node))];
  const counts = nodes.map((node) => edges.filter((edge) => edge.node === node).length);
  const shares = mixingWeights(betas, counts, 'softmax').flat();
  return mixing.map((row, index) => row.map((weight) => shares[index] * weight));
}

function softmax(row: readonly number[]): number[] {
  const largest = Math.max(...row);
  const exponentials = row.map((value) => Math.exp(value - largest));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((value) => value / sum);
}

function sigmoid(value: number): number {
  return 1 / (1 + Math.exp(-value));
}
