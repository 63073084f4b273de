// Cells of NAS-Bench-201 (Dong, Yang, arXiv:2001.00326) as plain data: an operation on each of six edges, and the string that names them.
import { check, type Rule } from '../checks.ts';
import { invalid, unexpected } from '../errors.ts';
import { invalidWord } from '../suggest.ts';

/** What an edge may carry, in the benchmark's order. */
export const structureOperations = ['none', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3', 'avg_pool_3x3'] as const;

export type StructureOperation = (typeof structureOperations)[number];

/** The operations of a cell by edge number, in the order of {@link structureEdges}. */
export type Structure = readonly StructureOperation[];

/** Edges by number, each from node `input` to node `node`; 0 is the cell's input, 3 its output. */
export const structureEdges = [
  { node: 1, input: 0 },
  { node: 2, input: 0 },
  { node: 2, input: 1 },
  { node: 3, input: 0 },
  { node: 3, input: 1 },
  { node: 3, input: 2 },
] as const;

/** Of nodes that have inputs. */
export const structureNodes = [1, 2, 3] as const;

const form = '|op~0|+|op~0|op~1|+|op~0|op~1|op~2|';

const aStructure: Rule = {
  words: `a list of ${structureEdges.length} operations of NAS-Bench-201 by edge`,
  holds: (value) =>
    Array.isArray(value) &&
    value.length === structureEdges.length &&
    structureEdges.every((_, number) => structureOperations.includes(value[number] as StructureOperation)),
};

/** Throws ArgumentError where a value is no structure. */
export function checkStructure(name: string, value: unknown): asserts value is Structure {
  check(name, value, aStructure);
}

/** A cell as the benchmark writes it, such as `|none~0|+|none~0|none~1|+|none~0|none~1|none~2|`. Throws ArgumentError. */
export function formatStructure(structure: Structure): string {
  checkStructure('structure', structure);
  const edges = structureEdges.map(({ input }, number) => `${structure[number]}~${input}`);
  const nodes = structureNodes.map((node) => edges.filter((_, number) => structureEdges[number].node === node));
  return nodes.map((inputs) => `|${inputs.join('|')}|`).join('+');
}

/** Reads what {@link formatStructure} writes, also within `Structure(4 nodes with ...)`. Throws ArgumentError that says where. */
export function parseStructure(text: string): Structure {
  if (typeof text !== 'string') throw invalid('a structure', form, text);
  const trimmed = text.trim();
  const printed = /^Structure\((\d+) nodes with (.*)\)$/.exec(trimmed);
  if (printed !== null && printed[1] !== '4') throw unexpected('a structure', '4 nodes', printed[1]);
  const nodes = (printed?.[2] ?? trimmed).split('+');
  if (nodes.length !== structureNodes.length || !nodes[0].includes('~')) throw invalid('a structure', form, text);
  return nodes.flatMap((node, i) => parseNode(structureNodes[i], node));
}

function parseNode(node: number, text: string): StructureOperation[] {
  const where = `node ${node} of a structure`;
  if (!/^\|.*\|$/.test(text)) throw invalid(where, "edges between '|'", text);
  const edges = text.split('|').filter((edge) => edge !== '');
  if (edges.length !== node) throw invalid(where, node === 1 ? '1 edge' : `${node} edges`, text);
  return edges.map((edge, input) => parseEdge(edge, `edge ${node}<-${input} of a structure`, input));
}

function parseEdge(text: string, where: string, input: number): StructureOperation {
  const [name, source, ...more] = text.split('~');
  if (source !== String(input) || more.length > 0) throw invalid(where, `an operation and ~${input}`, text);
  const operation = structureOperations.find((known) => known === name);
  if (operation === undefined) throw invalidWord(where, structureOperations, name);
  return operation;
}
