// What the commands of a benchmark print for people.
import { type BenchmarkColumn, benchmarkColumns, describeColumn } from '../benchmark/columns.ts';
import type { ConvertedTable } from '../benchmark/convert.ts';
import type { BenchmarkAccuracy, BenchmarkCell, TopCell } from '../benchmark/nas_bench.ts';
import type { BenchmarkCurve } from '../run/benchmark_curve.ts';
import { formatExact, formatTable, wrapped } from './format.ts';

const lineColumns = 100;
/** More isomorphic cells are counted. */
const mostListed = 8;

/** A cell of the table `data`. */
export function cellLines(cell: BenchmarkCell, data: string): string[] {
  const head = ['column', 'hp', 'trained on', 'scored on', 'accuracy', 'rank', 'among isomorphic'];
  const rows = cell.accuracies.map((accuracy) => [
    ...columnTexts(accuracy),
    accuracy.accuracy.toFixed(3),
    `${formatExact(accuracy.rank)} of ${formatExact(accuracy.of)}`,
    alikeText(accuracy),
  ]);
  return [
    `cell ${cell.index}  ${cell.structure}`,
    ...(cell.connected ? [] : ['its output does not hang on its input']),
    isomorphicText(cell.isomorphic),
    '',
    ...(rows.length === 0 ? ['no accuracy'] : formatTable([head, ...rows], [1, 4, 5])),
    ...unansweredLines(cell.unanswered, data),
  ];
}

/** The best cells by a column. */
export function topLines(column: BenchmarkColumn, cells: readonly TopCell[]): string[] {
  const [name, hp, trainedOn, scoredOn] = columnTexts(column);
  const rows = cells.map(({ index, structure, accuracy }) => [accuracy.toFixed(3), String(index), structure]);
  return [
    `${name}: trained on ${trainedOn} for ${hp} epochs, scored on ${scoredOn}`,
    '',
    ...formatTable([['accuracy', 'index', 'structure'], ...rows], [0, 1]),
  ];
}

/** What runs came to, a row an epoch. */
export function curveLines(curves: readonly BenchmarkCurve[]): string[] {
  const [{ columns }] = curves;
  const rows = curves.flatMap(({ run, points }) =>
    points.map(({ epochs, index, structure, accuracies }) => [
      ...[run, String(epochs)],
      ...columns.map((column) => accuracies[column].toFixed(2)),
      ...[String(index), structure],
    ]),
  );
  const head = ['run', 'epochs', ...columns, 'index', 'structure'];
  return formatTable([head, ...rows], head.map((_, column) => column).slice(1, -1));
}

/** A table that was made of an archive. */
export function convertedLines({ out, cells, columns, gaps }: ConvertedTable): string[] {
  return [
    `wrote ${out}: ${formatExact(cells)} cells, ${columns.length} columns of accuracies`,
    ...Object.entries(gaps).map(([name, count]) => `${formatExact(count)} cells have no ${name}`),
  ];
}

function columnTexts(column: BenchmarkColumn): string[] {
  const { trainedOn, scoredOn } = describeColumn(column);
  return [column.name, String(column.epochs), trainedOn, scoredOn];
}

function alikeText({ isomorphic: { rank, of, lowest, highest } }: BenchmarkAccuracy): string {
  return of === 1 ? '-' : `${rank} of ${of}, ${lowest.toFixed(3)} to ${highest.toFixed(3)}`;
}

function isomorphicText(others: readonly number[]): string {
  if (others.length === 0) return 'no other cell is isomorphic to it';
  const listed = others.slice(0, mostListed).join(', ');
  const more = others.length > mostListed ? ` and ${others.length - mostListed} more` : '';
  return `isomorphic to ${others.length === 1 ? 'cell' : 'cells'} ${listed}${more}`;
}

function unansweredLines(names: readonly string[], data: string): string[] {
  const lines = ([200, 12] as const).flatMap((hp) => {
    const lacking = benchmarkColumns.filter(({ name, epochs }) => epochs === hp && names.includes(name));
    const list = lacking.map(({ name }) => name).join(' ');
    return list === '' ? [] : wrapped(`hp ${hp}: ${list}`, lineColumns).split('\n');
  });
  return lines.length === 0 ? [] : ['', `${data} cannot tell:`, ...lines];
}
