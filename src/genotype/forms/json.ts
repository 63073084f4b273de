import type { CellType, Genotype, GenotypeCell, GenotypeEdge } from '../genotype.ts';
import { type Draft, finish, newDraft, type RecordForm, readInteger, readOperation, readRecord } from './draft.ts';

const jsonRecord: RecordForm = { open: '{', close: '}', key: 'string', separator: ':' };

/** Reads our JSON form. Throws ArgumentError with line and column of the fault. */
export function readJson(text: string): Genotype {
  const draft = newDraft(text);
  const readCell = (type: CellType) => () =>
    readRecord(draft.reader, jsonRecord, {
      nodes: () => readJsonNodes(draft, type),
      concat: () => readConcat(draft, type),
    });
  readRecord(draft.reader, jsonRecord, { normal: readCell('normal'), reduce: readCell('reduce') });
  draft.reader.take('end', 'nothing more');
  return finish(draft);
}

/** Prints a genotype as JSON on one line. */
export function formatJson(genotype: Genotype): string {
  const cell = ({ nodes, concat }: GenotypeCell) => ({
    nodes: nodes.map((edges) => edges.map(({ operation, input }) => ({ operation, input }))),
    concat,
  });
  return JSON.stringify({ normal: cell(genotype.normal), reduce: cell(genotype.reduce) });
}

/** Reads `[[{"operation": "sep_conv_3x3", "input": 1}, ...], ...]`: one list a node. */
function readJsonNodes(draft: Draft, type: CellType): void {
  const { reader, positions } = draft;
  const { nodes } = draft[type];
  positions.set(`${type}.nodes`, reader.next.position);
  reader.items('[', ']', () => {
    const edges: GenotypeEdge[] = [];
    const path = `${type}.nodes[${nodes.length}]`;
    positions.set(path, reader.next.position);
    reader.items('[', ']', () => {
      const edge = { operation: '', input: 0 };
      const edgePath = `${path}[${edges.length}]`;
      readRecord(reader, jsonRecord, {
        operation: () => {
          edge.operation = readOperation(draft, edgePath);
        },
        input: () => {
          edge.input = readInteger(draft, `${edgePath}.input`);
        },
      });
      edges.push(edge);
    });
    nodes.push(edges);
  });
}

function readConcat(draft: Draft, type: CellType): void {
  const { reader, positions } = draft;
  const { concat } = draft[type];
  const path = `${type}.concat`;
  positions.set(path, reader.next.position);
  reader.items('[', ']', () => concat.push(readInteger(draft, `${path}[${concat.length}]`)));
}
