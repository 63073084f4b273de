import { formatTable } from '../../src/cli/format.ts';
import { type Place, pairsOf } from './places.ts';
import { parts } from './subject.ts';
import type { Result } from './suite.ts';

/** Failures that are written out. */
const mostFailures = 40;

/** Whether every pair agreed on everything. */
export function allAgree(results: readonly Result[]): boolean {
  return results.every(({ comparisons }) => comparisons.every(({ failures }) => failures.length === 0));
}

/** The matrix for people: one row a node or network, one column a pair; then every failure. */
export function matrixLines(places: readonly Pick<Place, 'name' | 'device'>[], results: readonly Result[]): string[] {
  const pairs = pairsOf(places).map(([a, b]) => `${a.name} : ${b.name}`);
  const header = ['', 'cases', ...pairs];
  const rows = parts.flatMap((part) => {
    const ofPart = results.filter(({ subject }) => subject.part === part);
    if (ofPart.length === 0) return [];
    const names = [...new Set(ofPart.map(({ subject }) => subject.row))];
    return [
      [part],
      ...names.map((row) =>
        matrixRow(
          row,
          ofPart.filter(({ subject }) => subject.row === row),
        ),
      ),
    ];
  });
  return [
    ...places.map(({ name, device }) => `${name.padEnd(4)}  ${device.description}`),
    '',
    'Largest deviation as a share of what is allowed, forward / backward; how much that is: test/conformance/tolerances.ts',
    '',
    ...formatTable([header, ...rows], [1]),
    '',
    ...failureLines(results),
  ];
}

function matrixRow(row: string, results: readonly Result[]): string[] {
  const pairs = results[0].comparisons.map((_, pair) => {
    const comparisons = results.map(({ comparisons }) => comparisons[pair]);
    const failed = comparisons.filter(({ failures }) => failures.length > 0).length;
    const share = (direction: 'forward' | 'backward') =>
      shareText(Math.max(...comparisons.map((comparison) => comparison[direction])));
    return `${share('forward')} / ${share('backward')}${failed === 0 ? '' : `  FAILED ${failed}`}`;
  });
  return [`  ${row}`, String(results.length), ...pairs];
}

/** Nothing apart at all is told from hardly anything. */
function shareText(share: number): string {
  return share > 0 && share < 0.01 ? '<.01' : share.toFixed(2);
}

function failureLines(results: readonly Result[]): string[] {
  const lines = new Set(
    results.flatMap(({ subject, comparisons }) =>
      comparisons.flatMap(({ failures }) => failures.map((failure) => `FAILED ${subject.name}: ${failure}`)),
    ),
  );
  const count = results.flatMap(({ comparisons }) => comparisons).length;
  if (lines.size === 0) return [`all ${count} comparisons agree`];
  const more = lines.size > mostFailures ? [`and ${lines.size - mostFailures} more`] : [];
  return [...[...lines].slice(0, mostFailures), ...more];
}
