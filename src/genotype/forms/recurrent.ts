// Recurrent cells in Python: Genotype(recurrent=[('relu', 0), ...], concat=range(1, 9)).
import { type RecurrentGenotype, recurrentCell } from '../genotype.ts';
import { cellDraft, type Draft, edgeOf, type RecordForm, readFieldsOf } from './draft.ts';
import { readEntries } from './python_entries.ts';
import { formatPair } from './python_pairs.ts';
import { formatStates, readConcat } from './python_values.ts';

const fieldNames = [recurrentCell, 'concat'];

/** Whether the fields of a record, whose bracket was opened, are those of a recurrent cell. */
export function hasRecurrentFields({ reader }: Draft): boolean {
  return fieldNames.includes(reader.next.text);
}

/** Reads the fields of a recurrent cell behind the bracket that opens their record. */
export function readRecurrent(draft: Draft, form: RecordForm): void {
  readFieldsOf(draft.reader, form, {
    [recurrentCell]: () => readPairs(draft),
    concat: () => readConcat(draft, recurrentCell),
  });
}

/** Prints a recurrent cell as the published code does. */
export function formatRecurrent({ recurrent: { nodes, concat } }: RecurrentGenotype): string {
  return `Genotype(recurrent=[${nodes.flat().map(formatPair).join(', ')}], concat=${formatStates(concat)})`;
}

/** Reads `[('relu', 0), ...]`: a pair a node. */
function readPairs(draft: Draft): void {
  const { reader, positions } = draft;
  const { nodes } = cellDraft(draft, recurrentCell);
  const { lists, isNested, position } = readEntries(reader);
  const one = "a pair (activation, from) a node, such as ('relu', 0),";
  if (isNested) throw reader.fault(one, lists[0].position, 'a list of them');
  positions.set(`${recurrentCell}.nodes`, position);
  for (const [node, { operation, numbers }] of lists[0].entries.entries()) {
    const [input, more] = numbers;
    if (more !== undefined) throw reader.fault(one, more.position, `another number: ${more.text}`);
    nodes.push([edgeOf(draft, `${recurrentCell}.nodes[${node}][0]`, { operation, input })]);
  }
}
