// How tables of architecture parameters lie, as plain data: what a record of numbers needs beside it to be read again.
import { isRecord } from '../checks.ts';
import { type CellKey, cellKey, cellTypes, inputsOf, oneCell, recurrentCell } from '../genotype/genotype.ts';
import { isOperationName } from '../genotype/rules.ts';
import type { MixingActivation } from '../graph/graph.ts';
import { mapValues } from '../map_values.ts';
import { mixingWeights, weighedByNode } from '../network/mixing.ts';
import { type NodeForm, nodeForms, type Supernet } from '../network/supernet.ts';
import { noneName } from '../operation/operations.ts';
import { dartsSkeleton } from '../skeleton/darts.ts';
import type { ResolvedEdge } from '../space/space.ts';
import type { RowsByTable } from './alpha.ts';
import type { Selectable } from './candidates.ts';

/** An edge of a cell, and what is mixed on it: a row of the cell's table. */
export interface LayoutRow {
  /** From 0. */
  readonly node: number;
  /** Index of the state that the edge reads: first the cell's inputs, then the nodes. */
  readonly input: number;
  /** Names, in the order of the row's numbers. */
  readonly candidates: readonly string[];
}

/** Where every number of the tables belongs. */
export interface AlphaLayout {
  /** Name of the network's skeleton; `darts` when absent. */
  readonly skeleton?: string;
  /** Nodes of a cell. */
  readonly nodes: number;
  /** What a node makes of its edges; `sum` when absent. */
  readonly nodeForm?: NodeForm;
  /** By kind of cell, or by place in the network where cells of a type do not share alpha. */
  readonly tables: Readonly<Record<CellKey, LayoutTable>>;
}

/** A table, and what says how much its edges count in their nodes, where something learns that. */
export interface LayoutTable {
  readonly name: string;
  readonly rows: readonly LayoutRow[];
  /** Name of the parameter whose softmax, a row a node, does. */
  readonly betas?: string;
}

/** What FairDARTS' published code (arXiv:1911.12126) calls a candidate of an edge, in files and in plots. */
export function edgeKey({ node, input }: Pick<LayoutRow, 'node' | 'input'>, operation: string): string {
  return `edge: (${node}, ${input}), op: ${operation}`;
}

/** The layout of a supernet's tables. */
export function layoutOf({ space, tables, nodeForm }: Pick<Supernet, 'space' | 'tables' | 'nodeForm'>): AlphaLayout {
  const rowOf = ({ node, input, candidates }: ResolvedEdge): LayoutRow => ({
    ...{ node, input },
    candidates: candidates.map(({ name }) => name),
  });
  const { nodes, skeleton } = space;
  return {
    ...(skeleton.name !== dartsSkeleton.name && { skeleton: skeleton.name }),
    nodes,
    ...(nodeForm !== 'sum' && { nodeForm }),
    tables: mapValues(tables, ({ name, edges, betas }) => ({
      name,
      rows: edges.map(rowOf),
      ...(betas !== undefined && { betas }),
    })),
  };
}

/** A layout as the rules of selection take it. */
export function selectableOf({ nodes, tables }: AlphaLayout): Selectable {
  const table = ({ name, rows }: LayoutTable) => ({
    name,
    rowLengths: rows.map(({ candidates }) => candidates.length),
    edges: rows.map(({ node, input, candidates }, row) => ({
      ...{ node, input, row },
      candidates: candidates.map((name) => ({ name })),
    })),
  });
  return { space: { nodes }, tables: mapValues(tables, table) };
}

/** The mixing weights of recorded architecture parameters; undefined where they are not those of the layout. */
export function mixingOf(layout: AlphaLayout, activation: MixingActivation, alpha: unknown): RowsByTable | undefined {
  const mixing: [string, number[][]][] = [];
  for (const { name, rows, betas } of Object.values(layout.tables)) {
    const table = isRecord(alpha) ? alpha[name] : undefined;
    if (!isTable(table, rows)) return undefined;
    const lengths = rows.map(({ candidates }) => candidates.length);
    const weights = mixingWeights(Float32Array.from(table.flat()), lengths, activation);
    const ofNodes = isRecord(alpha) && betas !== undefined ? edgeWeights(alpha[betas], rows) : undefined;
    if (betas !== undefined && ofNodes === undefined) return undefined;
    mixing.push([name, ofNodes === undefined ? weights : weighedByNode(weights, ofNodes, rows)]);
  }
  // Not by assignment, to which a table called __proto__ would be more than a table.
  return Object.fromEntries(mixing);
}

/** A number an edge, of rows of them a node. */
function edgeWeights(table: unknown, rows: readonly LayoutRow[]): Float32Array | undefined {
  const numbers: unknown[] = Array.isArray(table) ? table.flat() : [];
  return numbers.length === rows.length && numbers.every(isFiniteNumber) ? Float32Array.from(numbers) : undefined;
}

function isFiniteNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

/** Whether rows of finite numbers are those of a layout. */
export function isTable(table: unknown, rows: readonly LayoutRow[]): table is readonly (readonly number[])[] {
  if (!Array.isArray(table) || table.length !== rows.length) return false;
  return rows.every(({ candidates }, index) => {
    const row: unknown = table[index];
    return Array.isArray(row) && row.length === candidates.length && row.every(isFiniteNumber);
  });
}

const mostNodes = 100;
const mostCandidates = 1000;

/** Whether a value, whatever it was read from, is a layout: every row an edge of the cell with a candidate that is kept. */
export function isLayout(value: unknown): value is AlphaLayout {
  if (!isRecord(value) || !isRecord(value['tables'])) return false;
  const { nodes, tables, skeleton, nodeForm = 'sum' } = value;
  if (!nodeForms.includes(nodeForm as NodeForm)) return false;
  if (skeleton !== undefined && (typeof skeleton !== 'string' || skeleton === '')) return false;
  if (!isIntegerBelow(nodes, mostNodes + 1) || nodes === 0) return false;
  const keys = Object.keys(tables);
  const inputs = inputsOf(keys[0]);
  const isRow = (row: unknown) =>
    isRecord(row) &&
    isIntegerBelow(row['node'], nodes) &&
    isIntegerBelow(row['input'], row['node'] + inputs) &&
    isListOfNames(row['candidates']);
  if (
    !isKeys(keys, cellTypes) &&
    !isKeys(keys, [oneCell]) &&
    !isKeys(keys, [recurrentCell]) &&
    !isKeys(
      keys,
      Array.from(keys, (_, index) => cellKey(index)),
    )
  )
    return false;
  return Object.values(tables).every((table) => {
    if (!isRecord(table) || typeof table['name'] !== 'string' || !Array.isArray(table['rows'])) return false;
    const { rows, betas } = table;
    if (betas !== undefined && typeof betas !== 'string') return false;
    // Every node has an edge, or no rule could select its cell.
    return (
      rows.every(isRow) && Array.from({ length: nodes }, (_, i) => rows.some(({ node }) => node === i)).every(Boolean)
    );
  });
}

/** In any order: the types, or the one kind; in theirs: the places of a network. */
function isKeys(keys: readonly CellKey[], wanted: readonly CellKey[]): boolean {
  return keys.length > 0 && keys.length === wanted.length && wanted.every((key) => keys.includes(key));
}

function isIntegerBelow(value: unknown, end: number): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) < end;
}

function isListOfNames(value: unknown): boolean {
  if (!Array.isArray(value) || value.length > mostCandidates) return false;
  return value.every(isOperationName) && value.some((name) => name !== noneName);
}
