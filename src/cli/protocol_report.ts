// The table of a protocol for people, as aligned text and as Markdown.
import type { ProtocolResult } from '../protocol/events.ts';
import type { ProtocolMeasure, ProtocolRow, ProtocolTable } from '../protocol/table.ts';
import type { PairedTest } from '../statistics/paired.ts';
import { formatExact, formatTable } from './format.ts';

const head = [
  'arm',
  'n',
  'mean',
  'deviation',
  '95% interval',
  'against',
  'difference',
  '95% interval',
  't-test',
  'exact',
];
const right = [1, 2, 3, 6, 8, 9];
const none = '-';

/** The tables, and what must be known beside them. */
export function protocolLines(result: ProtocolResult): string[] {
  return result.tables.flatMap((table, index) => [
    ...(index > 0 ? [''] : []),
    titleOf(table.measure, result),
    '',
    ...formatTable([head, ...table.rows.map((row) => cellsOf(row, table.measure))], right),
    '',
    ...noteLines(table, result),
  ]);
}

/** The same in Markdown. */
export function protocolMarkdown(result: ProtocolResult): string[] {
  return result.tables.flatMap((table, index) => [
    ...(index > 0 ? [''] : []),
    `${titleOf(table.measure, result)}:`,
    '',
    markdownRow(head),
    markdownRow(head.map((_, column) => (right.includes(column) ? '--:' : '---'))),
    ...table.rows.map((row) => markdownRow(cellsOf(row, table.measure))),
    '',
    ...noteLines(table, result).map((line) => `- ${line}`),
  ]);
}

function markdownRow(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function titleOf({ title, unit, better }: ProtocolMeasure, { seeds }: ProtocolResult): string {
  const [first] = seeds;
  const which = seeds.length === 1 ? `seed ${first}` : `seeds ${first} to ${seeds[seeds.length - 1]}`;
  return `${title}${isInPercent(unit) ? ' in %' : ''} (${better} is better), ${which}`;
}

function isInPercent(unit: ProtocolMeasure['unit']): boolean {
  return unit === 'share' || unit === 'percent';
}

function cellsOf(
  { arm, n, failed, mean, deviation, interval, against }: ProtocolRow,
  measure: ProtocolMeasure,
): string[] {
  const number = (value: number) => numberText(value, measure);
  const count = failed > 0 ? `${n} of ${n + failed}` : formatExact(n);
  return [
    ...[arm, count, mean === null ? none : number(mean), deviation === null ? none : number(deviation)],
    rangeText(interval, number),
    ...(against === undefined ? ['', '', '', '', ''] : testCells(against.arm, against, measure)),
  ];
}

function testCells(arm: string, { sample, t, exact }: PairedTest, measure: ProtocolMeasure): string[] {
  const signed = (value: number) => signedText(value, measure);
  return [
    ...[arm, sample.mean === null ? none : signed(sample.mean), rangeText(sample.interval, signed)],
    ...[t === null ? none : chanceText(t.p), exact === null ? none : chanceText(exact.p)],
  ];
}

function numberText(value: number, { unit }: ProtocolMeasure): string {
  return unit === 'share' ? (100 * value).toFixed(2) : value.toFixed(unit === 'loss' ? 4 : 2);
}

function signedText(value: number, measure: ProtocolMeasure): string {
  const text = numberText(value, measure);
  // Not -0.00.
  if (/^-?0\.0+$/.test(text)) return text.replace('-', '');
  return value > 0 ? `+${text}` : text;
}

function rangeText(range: readonly [number, number] | null, text: (value: number) => string): string {
  return range === null ? none : range.map(text).join(' to ');
}

function chanceText(p: number): string {
  return p < 0.0001 ? '<0.0001' : p.toFixed(4);
}

/** How to read it, and all that would else be missing from it in silence. */
function noteLines({ rows, measure }: ProtocolTable, { failures }: ProtocolResult): string[] {
  const tests = rows.flatMap(({ against }) => (against?.exact ? [against.exact] : []));
  const [exact] = tests.toSorted((a, b) => a.least - b.least);
  return [
    ...(rows.some(({ kind }) => kind !== 'whole')
      ? ["deviation with n - 1; intervals of means by Student's t; differences seed by seed"]
      : []),
    ...(exact === undefined ? [] : [exactText(exact)]),
    ...rows.flatMap(({ arm, againstWhole }) =>
      againstWhole ? [wholeText(arm, againstWhole.arm, againstWhole, measure)] : [],
    ),
    ...rows.flatMap(({ arm, kind, kept = [] }) => (kind === 'picked' ? [keptText(arm, kept)] : [])),
    ...failures.map(({ arm, seed, part, reason }) => `${arm}, seed ${seed}: no outcome of its ${part}: ${reason}`),
  ];
}

const exactNames = {
  permutation: 'over all signs of the differences (paired permutation test)',
  sign: 'by how many differences are above 0 (sign test)',
} as const;

function exactText({ test, least }: NonNullable<PairedTest['exact']>): string {
  return `p, two-sided: t-test paired; exact ${exactNames[test]}, with so many seeds never below ${chanceText(least)}`;
}

function wholeText(arm: string, whole: string, { sample, t }: PairedTest, measure: ProtocolMeasure): string {
  const difference = sample.mean === null ? none : signedText(sample.mean, measure);
  return `${arm} against ${whole}: ${difference}, t-test ${t === null ? none : chanceText(t.p)}`;
}

function keptText(arm: string, kept: readonly (number | null)[]): string {
  const seeds = kept.map((seed) => seed ?? 'none').join(', ');
  return `${arm}: ${kept.length === 1 ? 'seed' : 'seeds'} ${seeds}, which validated best; scored apart from that`;
}
