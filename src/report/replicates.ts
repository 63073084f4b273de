// Runs that differ in nothing but their seeds: together they say what one of them may come to.
import { sampleOf } from '../statistics/sample.ts';
import type { CurveLine } from './curve_panel.ts';
import type { RunView, Series } from './run_view.ts';

/** Runs under one name: replicates of one another, or one by itself. */
export interface RunGroup {
  readonly name: string;
  readonly runs: readonly RunView[];
}

/** Settings that have no influence on what a run comes to. */
const ofNoInfluence = ['seed', 'threads', 'out', 'reportFreq'];

/** Runs of the same command, method, data and settings in groups, the first of each where it stands; what differs between them is their seeds. */
export function groupReplicates(runs: readonly RunView[]): RunGroup[] {
  const groups = new Map<string, RunView[]>();
  for (const run of runs) {
    const key = keyOf(run);
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()].flatMap((group) => {
    const seeds = new Set(group.map(({ seed }) => seed));
    // The same seed twice is the same run twice, and no second sample.
    if (group.length === 1 || seeds.size < group.length) return group.map((run) => ({ name: run.name, runs: [run] }));
    return [{ name: `${commonName(group)} (mean of ${group.length} seeds)`, runs: group }];
  });
}

function keyOf({ command, method, dataset, space, settings }: RunView): string {
  const counted = Object.entries(settings).filter(([name]) => !ofNoInfluence.includes(name));
  return JSON.stringify([command, method, dataset, space, counted.sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/** What the names of runs begin with alike: of runs/a-1 and runs/a-2 runs/a. */
function commonName(runs: readonly RunView[]): string {
  const [first, ...others] = runs.map(({ name }) => name);
  let length = first.length;
  while (!others.every((name) => name.startsWith(first.slice(0, length)))) length--;
  const common = first.slice(0, length).replace(/[-_./ ]+$/, '');
  return common === '' ? [first, ...others].join(', ') : common;
}

/**
 * A measure of a group as lines: of several runs the mean where two at least have a value, its interval, and the single lines. Where no two have
 * one at the same place there is no mean, and each run is a line under its own name.
 */
export function linesOf({ name, runs }: RunGroup, { of, name: measure }: Pick<Series, 'of' | 'name'>): CurveLine[] {
  const found = runs.flatMap((run) =>
    run.series
      .filter((one) => one.of === of && one.name === measure && one.x.length > 0)
      .map(({ x, y }): CurveLine => ({ name: run.name, x, y })),
  );
  const values = new Map<number, number[]>();
  for (const { x, y } of found)
    for (const [i, place] of x.entries()) values.set(place, [...(values.get(place) ?? []), y[i]]);
  const samples = [...values]
    .sort(([a], [b]) => a - b)
    .flatMap(([x, at]) => {
      const { mean, interval } = sampleOf(at);
      return mean === null || interval === null ? [] : [{ x, mean, interval }];
    });
  // Runs of which one has come so far, or whose steps were not kept one by one.
  if (samples.length === 0) return found;
  const mean = {
    name,
    x: samples.map(({ x }) => x),
    y: samples.map(({ mean }) => mean),
    band: samples.map(({ interval }) => interval),
    singles: found,
  };
  return [mean];
}
