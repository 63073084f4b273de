// Edges of a genotype by name, and one of them with another operation.
import { ArgumentError, invalid } from '../errors.ts';
import { type CellKey, cellsOf, type Genotype, type GenotypeEdge, mapCells } from './genotype.ts';

/** Where an edge of a cell lies. */
export interface CellEdge {
  readonly cell: CellKey;
  /** From 0. */
  readonly node: number;
  /** Index of the state that it reads: 0 and 1 are the cell's inputs, 2 the first node. */
  readonly input: number;
}

/** normal.0.1, or cells.3.0.1 where cells are each another: what people call an edge. */
export function edgeName({ cell, node, input }: CellEdge): string {
  return `${cell}.${node}.${input}`;
}

/** The edges that a genotype keeps, each once, cell by cell and node by node in the order of their entries. */
export function keptEdges(genotype: Genotype): CellEdge[] {
  return cellsOf(genotype).flatMap(([cell, { nodes }]) =>
    nodes.flatMap((entries, node) => {
      const inputs = new Set(entries.map(({ input }) => input));
      return [...inputs].map((input) => ({ cell, node, input }));
    }),
  );
}

/** The kept edge of a name, or the first one when there is none. Throws ArgumentError that lists the edges there are. */
export function keptEdge(genotype: Genotype, name?: string): CellEdge {
  const edges = keptEdges(genotype);
  const found = name === undefined ? edges.at(0) : edges.find((edge) => edgeName(edge) === name);
  if (found !== undefined) return found;
  if (name === undefined) throw new ArgumentError('expected a genotype with an edge at least but it keeps none');
  throw invalid('edge', `one that the genotype keeps, ${edges.map(edgeName).join(', ')},`, name);
}

/** The operations of an edge: one, but that triples may have several. */
export function operationsOn(genotype: Genotype, edge: CellEdge): string[] {
  const cells = Object.fromEntries(cellsOf(genotype));
  return cells[edge.cell].nodes[edge.node].filter(isOn(edge)).map(({ operation }) => operation);
}

/**
 * The genotype with one operation on an edge: the first entry there has it, in its place and with its constant weight, and other entries of
 * the edge are left out.
 */
export function withOperation(genotype: Genotype, edge: CellEdge, operation: string): Genotype {
  const replaced = (entries: readonly GenotypeEdge[]) => {
    const first = entries.find(isOn(edge));
    const kept = entries.filter((entry) => entry === first || !isOn(edge)(entry));
    return kept.map((entry) => (entry === first ? { ...entry, operation } : entry));
  };
  return mapCells(genotype, ({ nodes, concat }, key) => ({
    nodes: nodes.map((entries, node) => (key === edge.cell && node === edge.node ? replaced(entries) : entries)),
    concat,
  }));
}

function isOn({ input }: CellEdge): (entry: GenotypeEdge) => boolean {
  return (entry) => entry.input === input;
}
