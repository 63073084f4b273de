import { finite } from '../checks.ts';
import { invalid } from '../errors.ts';
import {
  type CellKey,
  cellKey,
  cellTypes,
  type Genotype,
  type GenotypeCell,
  type GenotypeEdge,
  inputsOf,
  oneCell,
  recurrentCell,
} from './genotype.ts';
import { activations } from './recurrent.ts';

/** What is wrong with a genotype, and where: a path such as `normal.nodes[1][0].input`. */
export interface GenotypeFault {
  readonly path: string;
  readonly expectation: string;
  readonly actual: unknown;
}

/**
 * The first fault of a genotype, whatever it was made from; undefined when there is none. A cell of triples without any entry
 * has none: a selection may find nothing, and only a network needs something to be built of.
 */
export function findFault(genotype: Genotype): GenotypeFault | undefined {
  for (const fault of faults(genotype)) return fault;
  return undefined;
}

/** Throws ArgumentError when a genotype has a fault. */
export function checkGenotype(genotype: Genotype): void {
  const fault = findFault(genotype);
  if (fault !== undefined) throw invalid(`genotype${fault.path && `.${fault.path}`}`, fault.expectation, fault.actual);
}

/** The expectation that a text meets which may name an operation, of a genotype or of a search space. */
export const operationNameExpectation = 'the name of an operation, without control characters';

/** Whether a value may name an operation. */
export function isOperationName(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '' && !/\p{Cc}/u.test(value);
}

function* faults(genotype: Genotype): Generator<GenotypeFault> {
  if (typeof genotype !== 'object' || genotype === null) {
    yield {
      path: '',
      expectation: 'an object with a normal and a reduce cell, with cells, with a cell, or with a recurrent one',
      actual: genotype,
    };
    return;
  }
  if (genotype.recurrent !== undefined) {
    yield* recurrentFaults(genotype);
    return;
  }
  if (genotype.cell !== undefined) {
    yield* oneCellFaults(genotype);
    return;
  }
  const entries: unknown = genotype.entries;
  if (entries !== undefined && entries !== 'triples') {
    yield { path: 'entries', expectation: "'triples', or nothing for pairs,", actual: entries };
  }
  if (genotype.cells === undefined) {
    for (const type of cellTypes) yield* cellFaults(type, genotype[type], entries === 'triples');
  } else {
    yield* cellListFaults(genotype.cells, entries === 'triples');
    const types = cellTypes.find((type) => genotype[type] !== undefined);
    if (types) yield { path: types, expectation: 'nothing beside cells', actual: genotype[types] };
  }
}

/** Every node has one edge, with an activation and no weight. */
function* recurrentFaults({ recurrent, ...others }: Genotype): Generator<GenotypeFault> {
  yield* lonelyFaults(recurrentCell, others);
  if (!isCell(recurrent)) {
    yield { path: recurrentCell, expectation: 'a cell with nodes and concat', actual: recurrent };
    return;
  }
  const { nodes } = recurrent;
  yield* nodeFaults(recurrentCell, nodes, false);
  for (const [node, edges] of nodes.entries()) {
    const path = `${recurrentCell}.nodes[${node}]`;
    if (edges.length > 1) yield { path, expectation: 'one edge', actual: edges.length };
    const [{ operation, weight }] = edges;
    if (!(activations as readonly string[]).includes(operation)) {
      yield { path: `${path}[0].operation`, expectation: `one of ${activations.join(', ')}`, actual: operation };
    }
    if (weight !== undefined)
      yield { path: `${path}[0].weight`, expectation: 'none in a recurrent cell', actual: weight };
  }
  yield* concatFaults(recurrentCell, recurrent);
}

/** Every edge has its operation, and the last node is the output. */
function* oneCellFaults({ cell, ...others }: Genotype): Generator<GenotypeFault> {
  yield* lonelyFaults(oneCell, others);
  if (!isCell(cell)) {
    yield { path: oneCell, expectation: 'a cell with nodes and concat', actual: cell };
    return;
  }
  yield* nodeFaults(oneCell, cell.nodes, false);
  for (const [node, edges] of cell.nodes.entries()) {
    const inputs = edges.map(({ input }) => input).join(', ');
    const wanted = Array.from({ length: node + 1 }, (_, state) => state).join(', ');
    if (inputs === wanted) continue;
    yield {
      path: `${oneCell}.nodes[${node}]`,
      expectation: `an edge from each of the states ${wanted}, in this order,`,
      actual: inputs,
    };
  }
  const { concat, nodes } = cell;
  if (Array.isArray(concat) && concat.length === 1 && concat[0] === nodes.length) return;
  yield { path: `${oneCell}.concat`, expectation: `the state of the last node, [${nodes.length}]`, actual: concat };
}

/** What a genotype of a single cell has beside it. */
function* lonelyFaults(key: CellKey, others: object): Generator<GenotypeFault> {
  const [other] = Object.entries(others).filter(([, value]) => value !== undefined);
  if (other !== undefined) yield { path: other[0], expectation: `nothing beside ${key}`, actual: other[1] };
}

function isCell(cell: GenotypeCell | undefined): cell is GenotypeCell {
  return typeof cell === 'object' && cell !== null;
}

/** No network is deeper. */
const mostCells = 1000;

function* cellListFaults(cells: unknown, areTriples: boolean): Generator<GenotypeFault> {
  if (!Array.isArray(cells) || cells.length === 0 || cells.length > mostCells) {
    yield { path: 'cells', expectation: `a list of 1 to ${mostCells} cells`, actual: cells };
    return;
  }
  for (const [index, cell] of cells.entries()) yield* cellFaults(cellKey(index), cell, areTriples);
}

function* cellFaults(key: CellKey, cell: GenotypeCell | undefined, areTriples: boolean): Generator<GenotypeFault> {
  if (!isCell(cell)) {
    yield { path: key, expectation: 'a cell with nodes and concat', actual: cell };
    return;
  }
  yield* nodeFaults(key, cell.nodes, areTriples);
  yield* (areTriples ? targetFaults : concatFaults)(key, cell);
}

function* nodeFaults(key: CellKey, nodes: GenotypeCell['nodes'], mayBeIsolated: boolean): Generator<GenotypeFault> {
  if (!Array.isArray(nodes) || nodes.length === 0) {
    yield { path: `${key}.nodes`, expectation: 'at least one node', actual: nodes };
    return;
  }
  for (const [node, edges] of nodes.entries()) {
    const path = `${key}.nodes[${node}]`;
    if (!Array.isArray(edges)) yield { path, expectation: 'a list of edges', actual: edges };
    else if (edges.length === 0 && !mayBeIsolated) yield { path, expectation: 'at least one edge', actual: edges };
    else
      for (const [index, edge] of edges.entries())
        yield* edgeFaults(`${path}[${index}]`, edge, node + inputsOf(key) - 1);
  }
}

function* edgeFaults(path: string, edge: GenotypeEdge | undefined, last: number): Generator<GenotypeFault> {
  if (!isOperationName(edge?.operation)) {
    yield { path: `${path}.operation`, expectation: operationNameExpectation, actual: edge?.operation };
  }
  if (!isIntegerWithin(edge?.input, 0, last)) {
    yield { path: `${path}.input`, expectation: `an earlier state (0 to ${last})`, actual: edge?.input };
  }
  if (edge?.weight !== undefined && !finite.holds(edge.weight)) {
    yield { path: `${path}.weight`, expectation: finite.words, actual: edge.weight };
  }
}

function* concatFaults(key: CellKey, { nodes, concat }: GenotypeCell): Generator<GenotypeFault> {
  const path = `${key}.concat`;
  if (!Array.isArray(concat) || concat.length === 0) {
    yield { path, expectation: 'at least one state', actual: concat };
    return;
  }
  const first = inputsOf(key);
  const last = nodes.length + first - 1;
  const seen = new Set<number>();
  for (const [index, state] of concat.entries()) {
    if (!isIntegerWithin(state, first, last)) {
      yield { path: `${path}[${index}]`, expectation: `the state of a node (${first} to ${last})`, actual: state };
    } else if (seen.has(state)) {
      yield { path: `${path}[${index}]`, expectation: 'each state once', actual: state };
    }
    seen.add(state);
  }
}

/** Of a cell of triples exactly the nodes that an entry enters are concatenated. */
function* targetFaults(key: CellKey, { nodes, concat }: GenotypeCell): Generator<GenotypeFault> {
  const targets = nodes.flatMap((edges, node) => (edges.length > 0 ? [node + 2] : []));
  const isWhole =
    Array.isArray(concat) && concat.length === targets.length && targets.every((state) => concat.includes(state));
  if (isWhole) return;
  const states = targets.length > 0 ? `the states of the nodes with entries (${targets.join(', ')})` : 'no state';
  yield { path: `${key}.concat`, expectation: states, actual: concat };
}

function isIntegerWithin(value: unknown, low: number, high: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high;
}
