// Journals whose lines parse, but hold what no run writes: a view of them is whole all the same.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RunView } from '../../../src/report/run_view.ts';
import { aRunView } from '../../../src/report/view_rule.ts';
import { readRunSummary, readRunView } from '../../../src/run/view.ts';
import { journalOf } from '../../helpers/made_run.ts';
import { scratch } from '../../helpers/scratch.ts';

const lines = journalOf({ epochs: 2, steps: 2 });
const odd = { toString: 1 };

function written(...texts: readonly string[]): string {
  const directory = scratch();
  writeFileSync(join(directory, 'journal.jsonl'), texts.map((text) => `${text}\n`).join(''));
  return directory;
}

/** The view of a journal, which is what views are. */
async function viewOf(...texts: readonly string[]): Promise<RunView> {
  const view = await readRunView(written(...texts));
  expect(aRunView.holds(view)).toBe(true);
  expect(JSON.parse(JSON.stringify(view))).toEqual(view);
  return view;
}

/** A made journal's first line of a type with other fields. */
function changed(type: string, fields: object): string[] {
  const at = lines.findIndex((line) => line.startsWith(`{"type":"${type}"`));
  const record = JSON.stringify({ ...(JSON.parse(lines[at]) as object), ...fields });
  return lines.with(at, record);
}

describe('a start', () => {
  const names = ['method', 'dataset', 'space', 'device', 'run', 'time', 'stageName', 'notices', 'settings', 'versions'];
  it.each([...names, 'seed', 'epochs', 'steps'])('whose %s is none is told of, and shown without it', async (name) => {
    const none = ['settings', 'versions'].includes(name) ? [] : [odd];
    for (const value of [...none, [odd], null, true, 1.5]) {
      const view = await viewOf(...changed('start', { [name]: value }));
      expect(view.problems).toContainEqual(expect.stringMatching(`expected .* for ${name} of 'start'`));
      for (const text of ['command', 'method', 'dataset', 'space', 'device', 'started'] as const)
        expect(['string', 'undefined']).toContain(typeof view[text]);
      expect(['number', 'undefined']).toContain(typeof view.seed);
      expect(view.stages[0].genotypes).toHaveLength(2);
    }
  });

  it('that tells nothing is shown', async () => {
    const view = await viewOf('{"type":"start","epoch":0,"run":"select"}');
    expect(view).toMatchObject({ settings: {}, versions: {}, stages: [{ name: 'select' }] });
    expect((await viewOf('{"type":"start","epoch":0,"run":"__proto__"}')).log[0].text).toBe(
      'the run begins on a device',
    );
  });
});

describe('a place', () => {
  it.each(['"__proto__"', '-1', '1.5', '1e9', '{}'])('in a stage of %s is none', async (stage) => {
    const layout = lines[1].replace('"epoch":0', `"epoch":0,"stage":${stage}`);
    const view = await viewOf(lines[0], layout, ...lines.slice(2));
    expect(view.problems).toContainEqual(expect.stringMatching("for stage of 'layout'"));
    expect(Object.keys(Array.prototype)).toEqual([]);
    expect(view.stages).toHaveLength(1);
  });

  it.each(['1e999', '-1', '0.5'])('at epoch %s is none', async (epoch) => {
    const view = await viewOf(...lines, `{"type":"genotype","epoch":${epoch},"genotype":{}}`);
    expect(view.problems).toContainEqual(expect.stringMatching("for epoch of 'genotype'"));
  });

  it('within an epoch that cannot be counted is 0', async () => {
    const step = { type: 'step', epoch: 0, epochs: odd, step: [1], steps: 'x', secondsLeft: odd, loss: 1 };
    const directory = written(
      lines[0].replaceAll(/"(epochs|steps)":\d+/g, '"$1":{"toString":1}'),
      JSON.stringify(step),
    );
    const progress = { epoch: 0, epochs: 0, step: 1, steps: 0 };
    expect((await readRunView(directory)).progress).toEqual(progress);
    expect((await readRunSummary(directory, 'x')).progress).toEqual(progress);
  });
});

describe('values', () => {
  it('stay finite in means of neighbours', async () => {
    const steps = Array.from({ length: 2001 }, (_, step) => `{"type":"step","epoch":0,"step":${step},"loss":1e308}`);
    const view = await viewOf(lines[0], ...steps, '{"type":"step","epoch":0,"step":3000,"loss":2}');
    expect(view.series.map(({ y }) => y)).toEqual([[2]]);
  });

  it.each<[string, unknown]>([
    ['no rows', 3],
    ['rows that are none', [3]],
    ['words', [['0.5']]],
    ['more than float32 holds', [[1e300]]],
  ])('of alpha that are %s are left out', async (_, more) => {
    const { tables } = JSON.parse(lines[2]) as { tables: object };
    const view = await viewOf(...changed('alpha', { tables: { ...tables, more } }));
    expect(view.problems).toContainEqual(expect.stringMatching("for tables of 'alpha'"));
    expect(view.stages[0].history?.entries.map(({ epoch }) => epoch)).toEqual([1, 2]);
  });

  it('of a table called as no table should be are there', async () => {
    const view = await viewOf(...lines.map((line) => line.replaceAll('"alphas_normal"', '"__proto__"')));
    for (const { mixing } of view.stages[0].history!.entries) {
      expect(Object.keys(mixing).sort()).toEqual(['__proto__', 'alphas_reduce']);
    }
  });
});

describe('a record', () => {
  const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
  it.each(['settings', 'dataset', 'more'])('nested too deeply in %s is left out', async (name) => {
    const start = lines[0].replace(/\}$/, `,"${name}":{"x":${deep}}}`);
    const view = await viewOf(start, ...lines.slice(1));
    expect(view.problems).toContainEqual('a record of the journal is nested too deeply and was left out');
    expect(view.stages[0].genotypes).toHaveLength(2);
  });

  it('of a step may hold anything: its numbers are taken', async () => {
    const view = await viewOf(lines[0], `{"type":"step","epoch":0,"step":0,"loss":1,"more":${deep}}`);
    expect(view.series.map(({ name }) => name)).toEqual(['loss']);
  });
});

describe('what goes to a page', () => {
  const many = (count: number, line: (i: number) => string) => Array.from({ length: count }, (_, i) => line(i));

  it.each<[string, string[], (view: RunView) => number, number]>([
    [
      'measures',
      many(30, (i) => `{"type":"step","epoch":0,${many(10, (k) => `"m${10 * i + k}":1`)}}`),
      ({ series }) => series.length,
      200,
    ],
    [
      'lines of the log',
      [`{"type":"start","epoch":0,"notices":[${many(12_000, (i) => `"${i}"`)}]}`],
      ({ log }) => log.length,
      10_000,
    ],
    [
      'decisions',
      many(10_100, (i) => `{"type":"decision","epoch":${i},"decision":{"told":"x"}}`),
      ({ stages }) => stages[0].decisions.length,
      10_000,
    ],
  ])('has no more than so many %s, and says so', async (what, told, count, most) => {
    const view = await viewOf(lines[0], ...told);
    expect(count(view)).toBe(most);
    expect(view.problems).toContainEqual(`more than ${most} ${what}: the rest was left out`);
  });

  it('has no more than a thousand stages', async () => {
    const stages = many(1500, (i) => `{"type":"stage","stage":${i + 1},"epoch":0,"name":"s${i}"}`);
    const view = await viewOf(lines[0], ...stages);
    expect(view.stages).toHaveLength(1000);
    expect(view.problems).toContainEqual(expect.stringMatching("from 0 to 999 for stage of 'stage'"));
  });

  it('has no text of any length', async () => {
    const long = 'x'.repeat(1 << 20);
    const told = [
      `{"type":"step","epoch":0,"${long}":1}`,
      `{"type":"decision","epoch":0,"decision":{"told":"${long}"}}`,
    ];
    const view = await viewOf(lines[0].replace('"mnist"', `"${long}"`), ...told);
    expect(JSON.stringify(view).length).toBeLessThan(20_000);
  });
});
