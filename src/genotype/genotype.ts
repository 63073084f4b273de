/** One operation on one edge of a cell. */
export interface GenotypeEdge {
  readonly operation: string;
  /** Index of the earlier state that it reads: 0 and 1 are the cell's inputs, 2 the first node. */
  readonly input: number;
}

/** A cell: for each node the edges that enter it, and the states whose concatenation is the cell's output. */
export interface GenotypeCell {
  readonly nodes: readonly (readonly GenotypeEdge[])[];
  readonly concat: readonly number[];
}

/** The outcome of a search: one cell of each type. */
export interface Genotype {
  readonly normal: GenotypeCell;
  readonly reduce: GenotypeCell;
}

/** The two cells. */
export type CellType = keyof Genotype;
