/** One operation on one edge of a cell. */
export interface GenotypeEdge {
  readonly operation: string;
  /** Index of the earlier state that it reads: first the cell's inputs, 0 and 1 or, of {@link GenotypeOfOneCell}, 0 alone; then the nodes. */
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

/** A genotype whose cells of a type are all the same. */
export interface GenotypeByType {
  readonly normal: GenotypeCell;
  readonly reduce: GenotypeCell;
  readonly cells?: undefined;
  readonly cell?: undefined;
  readonly recurrent?: undefined;
  /**
   * How its entries are published: `triples` (op, to, from) of FairDARTS (arXiv:1911.12126), whose network sums the operations of an edge,
   * then the edges of a node; pairs (op, from) of DARTS when absent.
   */
  readonly entries?: 'triples';
}

/** A genotype of as many cells as its network has, each another: from a search whose cells do not share alpha. */
export interface GenotypeByCell {
  /** In the order of the network, which tells their types. */
  readonly cells: readonly GenotypeCell[];
  readonly normal?: undefined;
  readonly reduce?: undefined;
  readonly cell?: undefined;
  readonly recurrent?: undefined;
  readonly entries?: 'triples';
}

/**
 * A genotype whose cells are all the same, of one input and with an operation on the edge from every earlier state into each node, `none`
 * among them: those of NAS-Bench-201 (arXiv:2001.00326).
 */
export interface GenotypeOfOneCell {
  /** Each node has its edges in the order of their inputs; the last node, which `concat` names alone, is the output. */
  readonly cell: GenotypeCell;
  readonly normal?: undefined;
  readonly reduce?: undefined;
  readonly cells?: undefined;
  readonly recurrent?: undefined;
  readonly entries?: undefined;
}

/**
 * A genotype of a recurrent cell (arXiv:1806.09055, section 3.1.2), of which a language model has one. State 0 is made of the input and of
 * the cell's output before; state i is that of node i, counted from 1.
 */
export interface RecurrentGenotype {
  /** Each node has one edge, whose operation is an activation, from an earlier state; `concat` names the nodes whose mean is the output. */
  readonly recurrent: GenotypeCell;
  readonly normal?: undefined;
  readonly reduce?: undefined;
  readonly cells?: undefined;
  readonly cell?: undefined;
  readonly entries?: undefined;
}

/** The outcome of a search: one cell of each type, every cell of the network, one for all, or a recurrent one. */
export type Genotype = GenotypeByType | GenotypeByCell | GenotypeOfOneCell | RecurrentGenotype;

/** The types of cells, in the order in which everything is told of them. */
export const cellTypes = ['normal', 'reduce'] as const;

/** One of {@link cellTypes}. */
export type CellType = (typeof cellTypes)[number];

/** The kind and the key of cells that are all alike. */
export const oneCell = 'cell';

/** The key of a recurrent cell. */
export const recurrentCell = 'recurrent';

/** A type of cells, or the kind of those that have none. */
export type CellKind = CellType | typeof oneCell;

/** Which of a genotype's cells: a kind or, of those that are each another, a place in the network such as `cells.3`. */
export type CellKey = string;

/** States that a cell begins with; its first node is the next one. */
export function inputsOf(key: CellKey): 1 | 2 {
  return key === oneCell || key === recurrentCell ? 1 : 2;
}

/** The key of the cell of a number. */
export function cellKey(index: number): CellKey {
  return `cells.${index}`;
}

const byPlace = /^cells\.(\d+)$/;

/** What people call a cell. */
export function cellName(key: CellKey): string {
  const place = byPlace.exec(key);
  if (place !== null) return `cell ${place[1]}`;
  if (key === oneCell) return key;
  return key === 'reduce' ? 'reduction cell' : `${key} cell`;
}

/** The cells of a genotype with their keys. */
export function cellsOf(genotype: Genotype): readonly (readonly [CellKey, GenotypeCell])[] {
  if (genotype.recurrent !== undefined) return [[recurrentCell, genotype.recurrent]];
  const { normal, reduce, cells, cell } = genotype;
  if (cell !== undefined) return [[oneCell, cell]];
  if (cells !== undefined) return cells.map((cell, index) => [cellKey(index), cell]);
  return [
    ['normal', normal],
    ['reduce', reduce],
  ];
}

/** The genotype of cells by their keys: both types, all places, the one cell, or the recurrent one. */
export function genotypeOfCells(
  cells: Readonly<Record<CellKey, GenotypeCell>>,
  entries?: Genotype['entries'],
): Genotype {
  const how = entries && { entries };
  const { normal, reduce, cell, recurrent } = cells;
  if (recurrent !== undefined) return { recurrent };
  if (cell !== undefined) return { cell };
  if (normal !== undefined) return { normal, reduce, ...how };
  return { cells: Object.keys(cells).map((_, index) => cells[cellKey(index)]), ...how };
}

/** A genotype with other cells in the places of its own. */
export function mapCells(genotype: Genotype, change: (cell: GenotypeCell, key: CellKey) => GenotypeCell): Genotype {
  const changed = cellsOf(genotype).map(([key, cell]) => [key, change(cell, key)] as const);
  return genotypeOfCells(Object.fromEntries(changed), genotype.entries);
}

/** The keys of the cells without any entry: a selection may find nothing. */
export function emptyCells(genotype: Genotype): CellKey[] {
  return cellsOf(genotype).flatMap(([key, { nodes }]) => (nodes.every(({ length }) => length === 0) ? [key] : []));
}
