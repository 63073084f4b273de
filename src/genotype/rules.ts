import { invalid } from '../errors.ts';
import type { Genotype, GenotypeCell } from './genotype.ts';

/** What is wrong with a genotype, and where: a path such as `normal.nodes[1][0].input`. */
export interface GenotypeFault {
  readonly path: string;
  readonly expectation: string;
  readonly actual: unknown;
}

/** The first fault of a genotype, whatever it was made from; undefined when there is none. */
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
    yield { path: '', expectation: 'an object with a normal and a reduce cell', actual: genotype };
    return;
  }
  for (const type of ['normal', 'reduce'] as const) {
    const cell: unknown = genotype[type];
    if (typeof cell !== 'object' || cell === null) {
      yield { path: type, expectation: 'a cell with nodes and concat', actual: cell };
      continue;
    }
    yield* nodeFaults(type, genotype[type].nodes);
    yield* concatFaults(type, genotype[type]);
  }
}

function* nodeFaults(type: string, nodes: GenotypeCell['nodes']): Generator<GenotypeFault> {
  if (!Array.isArray(nodes) || nodes.length === 0) {
    yield { path: `${type}.nodes`, expectation: 'at least one node', actual: nodes };
    return;
  }
  for (const [node, edges] of nodes.entries()) {
    if (!Array.isArray(edges) || edges.length === 0) {
      yield { path: `${type}.nodes[${node}]`, expectation: 'at least one edge', actual: edges };
      continue;
    }
    for (const [index, edge] of edges.entries()) {
      const path = `${type}.nodes[${node}][${index}]`;
      if (!isOperationName(edge?.operation)) {
        yield { path: `${path}.operation`, expectation: operationNameExpectation, actual: edge?.operation };
      }
      if (!isIntegerWithin(edge?.input, 0, node + 1)) {
        const expectation = `an earlier state (0 to ${node + 1})`;
        yield { path: `${path}.input`, expectation, actual: edge?.input };
      }
    }
  }
}

function* concatFaults(type: string, { nodes, concat }: GenotypeCell): Generator<GenotypeFault> {
  const path = `${type}.concat`;
  if (!Array.isArray(concat) || concat.length === 0) {
    yield { path, expectation: 'at least one state', actual: concat };
    return;
  }
  const last = nodes.length + 1;
  const seen = new Set<number>();
  for (const [index, state] of concat.entries()) {
    if (!isIntegerWithin(state, 2, last)) {
      yield { path: `${path}[${index}]`, expectation: `the state of a node (2 to ${last})`, actual: state };
    } else if (seen.has(state)) {
      yield { path: `${path}[${index}]`, expectation: 'each state once', actual: state };
    }
    seen.add(state);
  }
}

function isIntegerWithin(value: unknown, low: number, high: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high;
}
