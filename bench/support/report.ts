import { writeFileSync } from 'node:fs';
import type { Machine } from './machine.ts';

/** One line of a table; every row has the same columns in the same order. */
export type Row = Readonly<Record<string, string | number>>;

/** A table for the terminal: a header, a rule, one line a row; columns that hold a number are aligned to the right. */
export function formatTable(rows: readonly Row[]): string {
  const columns = Object.keys(rows[0] ?? {}).map((name) => {
    const cells = [name, ...rows.map((row) => String(row[name]))];
    const width = Math.max(...cells.map((cell) => cell.length));
    const numeric = rows.some((row) => typeof row[name] === 'number');
    return cells.map((cell) => (numeric ? cell.padStart(width) : cell.padEnd(width)));
  });
  const lines = Array.from({ length: rows.length + 1 }, (_, line) => columns.map((cells) => cells[line]).join('  '));
  const rule = columns.map((cells) => '-'.repeat(cells[0].length)).join('  ');
  return [lines[0], rule, ...lines.slice(1)].map((line) => line.trimEnd()).join('\n');
}

/** Prints {@link formatTable}. */
export function printTable(rows: readonly Row[]): void {
  console.log(formatTable(rows));
}

/** A number to three significant digits, so that columns of unlike size stay readable. */
export function figure(value: number): number {
  return value >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}

/** Writes results with the machine that they were measured on. */
export function writeJson(path: string, results: { readonly machine: Machine; readonly [key: string]: unknown }): void {
  writeFileSync(path, `${JSON.stringify(results, null, 2)}\n`);
}
