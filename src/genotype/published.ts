import type { Genotype, GenotypeCell, GenotypeEdge } from './genotype.ts';

/** A cell from its nodes, each a list of `operation input` such as `'max_pool_3x3 0'`. */
function cell(nodes: readonly (readonly string[])[], concat: readonly number[]): GenotypeCell {
  const edge = (text: string): GenotypeEdge => {
    const [operation, input] = text.split(' ');
    return { operation, input: Number(input) };
  };
  return { nodes: nodes.map((edges) => edges.map(edge)), concat };
}

const dartsV1: Genotype = {
  normal: cell(
    [
      ['sep_conv_3x3 1', 'sep_conv_3x3 0'],
      ['skip_connect 0', 'sep_conv_3x3 1'],
      ['skip_connect 0', 'sep_conv_3x3 1'],
      ['sep_conv_3x3 0', 'skip_connect 2'],
    ],
    [2, 3, 4, 5],
  ),
  reduce: cell(
    [
      ['max_pool_3x3 0', 'max_pool_3x3 1'],
      ['skip_connect 2', 'max_pool_3x3 0'],
      ['max_pool_3x3 0', 'skip_connect 2'],
      ['skip_connect 2', 'avg_pool_3x3 0'],
    ],
    [2, 3, 4, 5],
  ),
};

const dartsV2: Genotype = {
  normal: cell(
    [
      ['sep_conv_3x3 0', 'sep_conv_3x3 1'],
      ['sep_conv_3x3 0', 'sep_conv_3x3 1'],
      ['sep_conv_3x3 1', 'skip_connect 0'],
      ['skip_connect 0', 'dil_conv_3x3 2'],
    ],
    [2, 3, 4, 5],
  ),
  reduce: cell(
    [
      ['max_pool_3x3 0', 'max_pool_3x3 1'],
      ['skip_connect 2', 'max_pool_3x3 1'],
      ['max_pool_3x3 0', 'skip_connect 2'],
      ['skip_connect 2', 'max_pool_3x3 1'],
    ],
    [2, 3, 4, 5],
  ),
};

const nasNet: Genotype = {
  normal: cell(
    [
      ['sep_conv_5x5 1', 'sep_conv_3x3 0'],
      ['sep_conv_5x5 0', 'sep_conv_3x3 0'],
      ['avg_pool_3x3 1', 'skip_connect 0'],
      ['avg_pool_3x3 0', 'avg_pool_3x3 0'],
      ['sep_conv_3x3 1', 'skip_connect 1'],
    ],
    [2, 3, 4, 5, 6],
  ),
  reduce: cell(
    [
      ['sep_conv_5x5 1', 'sep_conv_7x7 0'],
      ['max_pool_3x3 1', 'sep_conv_7x7 0'],
      ['avg_pool_3x3 1', 'sep_conv_5x5 0'],
      ['skip_connect 3', 'avg_pool_3x3 2'],
      ['sep_conv_3x3 2', 'max_pool_3x3 1'],
    ],
    [4, 5, 6],
  ),
};

const amoebaNet: Genotype = {
  normal: cell(
    [
      ['avg_pool_3x3 0', 'max_pool_3x3 1'],
      ['sep_conv_3x3 0', 'sep_conv_5x5 2'],
      ['sep_conv_3x3 0', 'avg_pool_3x3 3'],
      ['sep_conv_3x3 1', 'skip_connect 1'],
      ['skip_connect 0', 'avg_pool_3x3 1'],
    ],
    [4, 5, 6],
  ),
  reduce: cell(
    [
      ['avg_pool_3x3 0', 'sep_conv_3x3 1'],
      ['max_pool_3x3 0', 'sep_conv_7x7 2'],
      ['sep_conv_7x7 0', 'avg_pool_3x3 1'],
      ['max_pool_3x3 0', 'max_pool_3x3 1'],
      ['conv_7x1_1x7 0', 'sep_conv_3x3 5'],
    ],
    [3, 4, 6],
  ),
};

/**
 * Published genotypes by name: DARTS first and second order (arXiv:1806.09055; `DARTS` is the latter), NASNet-A
 * (arXiv:1707.07012) and AmoebaNet-A (arXiv:1802.01548) in the form in which the DARTS authors evaluated them.
 */
export const genotypes: Readonly<Record<string, Genotype>> = {
  DARTS_V1: dartsV1,
  DARTS_V2: dartsV2,
  DARTS: dartsV2,
  NASNet: nasNet,
  AmoebaNet: amoebaNet,
};
