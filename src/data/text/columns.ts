// A text as columns that are read side by side, and batches of some of their rows.
import { anInteger, check, checkRecord, isTypedArray } from '../../checks.ts';
import { invalid } from '../../errors.ts';

/** The beginning of a text, cut into columns of the same length: column b holds tokens b · rows to (b + 1) · rows - 1. */
export interface TextColumns {
  /** [columns, rows] */
  readonly tokens: Int32Array;
  readonly columns: number;
  /** At least 2: each row but the last is an input, each but the first a target. */
  readonly rows: number;
}

/** Rows of some columns, to be predicted each from those before it. */
export interface TextBatch {
  /** [steps, columns] */
  readonly inputs: Int32Array;
  /** [steps, columns]: the row behind each input. */
  readonly targets: Int32Array;
}

/** Which columns of a text a batch has: `count` from the one numbered `first` on. */
export interface ColumnRange {
  readonly first: number;
  readonly count: number;
}

/**
 * All columns in groups of `size`, each of which has a hidden state and masks of its own (the originals' small_batch_size). Throws
 * ArgumentError for a size that does not divide them, which it calls `name`.
 */
export function columnGroups(columns: number, size: number, name = 'size'): ColumnRange[] {
  check('columns', columns, anInteger(1));
  if (!anInteger(1, columns).holds(size) || columns % size !== 0) throw invalid(name, `a divisor of ${columns}`, size);
  return Array.from({ length: columns / size }, (_, group) => ({ first: group * size, count: size }));
}

/** Fewest rows: one to predict. */
const fewestRows = 2;

/**
 * Cuts a text into columns; tokens that fill no row are left out. `least` rows there must be: 2 where a text is scored, 3 where it is
 * learned from (a walk of an epoch ends two rows before the end). Throws ArgumentError for more columns than that, which calls them `name`.
 */
export function columnsOf(
  tokens: Int32Array,
  columns: number,
  { least = fewestRows, name = 'columns' }: { readonly least?: number; readonly name?: string } = {},
): TextColumns {
  if (!isTypedArray('Int32Array', tokens)) throw invalid('tokens', 'an Int32Array', tokens);
  check(name, columns, anInteger(1));
  check('least', least, anInteger(fewestRows));
  const rows = Math.floor(tokens.length / columns);
  if (rows >= least) return { tokens: tokens.subarray(0, columns * rows), columns, rows };
  const most = Math.floor(tokens.length / least);
  const words =
    most > 0
      ? `at most ${most} (the text of ${tokens.length} tokens has ${least} rows then)`
      : `a text of at least ${least} tokens`;
  throw invalid(name, words, most > 0 ? columns : tokens.length);
}

/**
 * The batch of `steps` rows from a row on, of all columns or some. Throws ArgumentError for rows that are not there or have no row behind
 * them.
 */
export function textBatch(text: TextColumns, row: number, steps: number, range?: ColumnRange): TextBatch {
  checkRecord('text', text, 'tokens, columns and rows, as columnsOf gives it,');
  const { tokens, columns, rows } = text;
  check('row', row, anInteger(0, rows - fewestRows));
  check('steps', steps, anInteger(1, rows - 1 - row));
  const { first, count } = range ?? { first: 0, count: columns };
  check('range.first', first, anInteger(0, columns - 1));
  check('range.count', count, anInteger(1, columns - first));
  const inputs = new Int32Array(steps * count);
  const targets = new Int32Array(steps * count);
  for (let column = 0; column < count; column++) {
    const begin = (first + column) * rows + row;
    for (let step = 0; step < steps; step++) {
      inputs[step * count + column] = tokens[begin + step];
      targets[step * count + column] = tokens[begin + step + 1];
    }
  }
  return { inputs, targets };
}
