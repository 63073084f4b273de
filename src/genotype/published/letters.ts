// The compact notation of published genotypes: a letter for the operation, then states.
import type { CellType, GenotypeByType, GenotypeCell, GenotypeEdge } from '../genotype.ts';

const operations: Readonly<Record<string, string>> = {
  m: 'max_pool_3x3',
  a: 'avg_pool_3x3',
  k: 'skip_connect',
  s: 'sep_conv_3x3',
  S: 'sep_conv_5x5',
  Z: 'sep_conv_7x7',
  d: 'dil_conv_3x3',
  D: 'dil_conv_5x5',
  c: 'conv_7x1_1x7',
};

/** States whose concatenation is a cell's output, where it is not that of all nodes. */
type Concats = Partial<Record<CellType, readonly number[]>>;

/** Weights of the entries of both cells, in their order. */
type Weights = Readonly<Record<CellType, readonly number[]>>;

/** A genotype of pairs, two a node: `s0 s1 ... / m0 m1 ...` is sep_conv_3x3 from 0, sep_conv_3x3 from 1, ... */
export function pairs(text: string, concats: Concats = {}): GenotypeByType {
  const [normal, reduce] = text.split('/').map((cell) => {
    const edges = entriesOf(cell).map(([letter, input]) => edge(letter, input));
    return edges.flatMap((_, index) => (index % 2 === 0 ? [edges.slice(index, index + 2)] : []));
  });
  return {
    normal: { nodes: normal, concat: concats.normal ?? normal.map((_, node) => node + 2) },
    reduce: { nodes: reduce, concat: concats.reduce ?? reduce.map((_, node) => node + 2) },
  };
}

/** A genotype of triples in cells of four nodes: `s02 S12 ... / m02 ...` is sep_conv_3x3 from 0 to 2, sep_conv_5x5 from 1 to 2, ... */
export function triples(text: string): GenotypeByType {
  const [normal, reduce] = text.split('/').map((cell): GenotypeCell => {
    const entries = entriesOf(cell);
    const into = (state: number) => entries.filter(([, , to]) => Number(to) === state);
    return {
      nodes: [2, 3, 4, 5].map((state) => into(state).map(([letter, from]) => edge(letter, from))),
      concat: [...new Set(entries.map(([, , to]) => Number(to)))],
    };
  });
  return { entries: 'triples', normal, reduce };
}

/** A genotype of pairs with a weight on every entry. */
export function withWeights({ normal, reduce }: GenotypeByType, weights: Weights): GenotypeByType {
  const cell = ({ nodes, concat }: GenotypeCell, [...left]: readonly number[]) => ({
    nodes: nodes.map((edges) => edges.map((edge) => ({ ...edge, weight: left.shift() }))),
    concat,
  });
  return { normal: cell(normal, weights.normal), reduce: cell(reduce, weights.reduce) };
}

function entriesOf(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}

function edge(letter: string, input: string): GenotypeEdge {
  return { operation: operations[letter], input: Number(input) };
}
