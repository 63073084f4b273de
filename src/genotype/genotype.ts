/** One operation on one edge of a cell. */
export interface GenotypeEdge {
  readonly operation: string;
  /** Index of the earlier state that it reads: 0 and 1 are the cell's inputs, 2 the first node. */
  readonly input: number;
  /** Constant factor of the operation's output in its node's sum; 1 when absent. */
  readonly weight?: number;
}

/** A cell: for each node the edges that enter it, and the states whose concatenation is the cell's output. */
export interface GenotypeCell {
  /** Of a cell of triples a node may be isolated, its list empty, and one input may come several times: several operations on an edge. */
  readonly nodes: readonly (readonly GenotypeEdge[])[];
  /** Of a cell of triples the nodes that an entry has as its target, in the order in which they are computed. */
  readonly concat: readonly number[];
}

/** The outcome of a search: one cell of each type. */
export interface Genotype {
  readonly normal: GenotypeCell;
  readonly reduce: GenotypeCell;
  /**
   * How its entries are published: `triples` (op, to, from) of FairDARTS (arXiv:1911.12126), whose network sums the operations of an edge,
   * then the edges of a node; pairs (op, from) of DARTS when absent.
   */
  readonly entries?: 'triples';
}

/** The two cells, in the order in which everything is told of them. */
export const cellTypes = ['normal', 'reduce'] as const;

/** One of {@link cellTypes}. */
export type CellType = (typeof cellTypes)[number];

/** What people call them. */
export const cellNames: Readonly<Record<CellType, string>> = { normal: 'normal cell', reduce: 'reduction cell' };

/** The cells without any entry: a selection may find nothing. */
export function emptyCells(genotype: Genotype): CellType[] {
  return cellTypes.filter((type) => genotype[type].nodes.every((entries) => entries.length === 0));
}
