// Which cells the benchmark's authors count as one: their strings of equality, node by node. No classes of functions: a node all of whose
// edges are zero is `#+#`, which is no zero for the nodes behind it.
import { checkStructure, type Structure, structureEdges, structureNodes } from './structure.ts';
import { structureAt, structureCount } from './structure_index.ts';

/**
 * The string that isomorphic cells share. With `plainNone` an edge of none is written as any other operation. Throws ArgumentError.
 */
export function equalityString(structure: Structure, { plainNone = false } = {}): string {
  checkStructure('structure', structure);
  const texts = ['0'];
  for (const node of structureNodes) {
    const edges = structureEdges.flatMap((edge, number) =>
      edge.node === node ? [edgeText(texts[edge.input], structure[number], plainNone)] : [],
    );
    texts.push(edges.sort().join('+'));
  }
  return texts[texts.length - 1];
}

function edgeText(source: string, operation: string, plainNone: boolean): string {
  if (!plainNone && (operation === 'none' || source === '#')) return '#';
  return operation === 'skip_connect' ? source : `(${source})@${operation}`;
}

/** Whether a cell's output hangs on its input. */
export function isConnected(structure: Structure): boolean {
  checkStructure('structure', structure);
  const reached = [true];
  for (const node of structureNodes) {
    reached[node] = structureEdges.some(
      (edge, number) => edge.node === node && reached[edge.input] && structure[number] !== 'none',
    );
  }
  return reached[structureNodes[structureNodes.length - 1]];
}

let known: Uint16Array | undefined;

/** The class of each cell by index, counted from 0 as they first occur. */
export function isomorphismClasses(): Uint16Array {
  if (known !== undefined) return known;
  const classes = new Map<string, number>();
  known = Uint16Array.from({ length: structureCount }, (_, index) => {
    const text = equalityString(structureAt(index));
    const found = classes.get(text) ?? classes.size;
    classes.set(text, found);
    return found;
  });
  return known;
}
