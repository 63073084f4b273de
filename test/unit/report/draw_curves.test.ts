// Curves of runs: which lines there are, where they and their bands lie, what stands at the axes.
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import { curvePlots, drawCurves } from '../../../src/report/draw_curves.ts';
import { groupReplicates } from '../../../src/report/replicates.ts';
import type { RunView, Series } from '../../../src/report/run_view.ts';
import { expectWellFormed } from '../../helpers/markup.ts';

const loss = { name: 'validationLoss', of: 'epoch', title: 'validation loss', unit: 'loss' } as const;
const epochs = (head: Omit<Series, 'x' | 'y'>, y: readonly number[]): Series => ({
  ...head,
  x: y.map((_, i) => i + 1),
  y,
});

function runOf(name: string, seed: number, series: readonly Series[], over: Partial<RunView> = {}): RunView {
  return {
    ...{ name, seed, state: 'finished', command: 'search', method: 'darts', dataset: 'mnist', series, stages: [] },
    ...{ settings: { epochs: 3 }, versions: {}, log: [], problems: [], ...over },
  };
}

const seeds = [1, 2, 3].map((seed) => runOf(`runs/a-${seed}`, seed, [epochs(loss, [2, 1 + seed, 1])]));
const other = runOf('runs/b', 1, [epochs(loss, [3, 2, 1])], { method: 'fairdarts' });
const wanted = { of: 'epoch', names: undefined, mean: true } as const;

describe('groupReplicates', () => {
  it('joins runs that differ in their seeds alone, under what their names have alike', () => {
    const groups = groupReplicates([...seeds, other]);
    expect(groups.map(({ name, runs }) => [name, runs.length])).toEqual([
      ['runs/a (mean of 3 seeds)', 3],
      ['runs/b', 1],
    ]);
  });

  it.each<[string, Partial<RunView>]>([
    ['method', { method: 'fairdarts' }],
    ['command', { command: 'train' }],
    ['data', { dataset: 'cifar10' }],
    ['space', { space: 's3' }],
    ['settings', { settings: { epochs: 4 } }],
  ])('keeps apart what differs in its %s', (_, over) => {
    expect(groupReplicates([seeds[0], { ...seeds[1], ...over }])).toHaveLength(2);
  });

  it('takes settings in any order, and no heed of those without influence', () => {
    const [one, two] = [
      { a: 1, b: 2 },
      { b: 2, a: 1, threads: 4 },
    ];
    expect(
      groupReplicates([
        { ...seeds[0], settings: one },
        { ...seeds[1], settings: two },
      ]),
    ).toHaveLength(1);
  });

  it('takes one seed twice for no second sample', () => {
    expect(groupReplicates([seeds[0], { ...seeds[0], name: 'again' }]).map(({ name }) => name)).toEqual([
      'runs/a-1',
      'again',
    ]);
  });
});

describe('curvePlots', () => {
  it("has of replicates their mean and its interval by Student's t, as computed by hand", () => {
    const [{ lines }] = curvePlots(seeds, wanted);
    expect(lines).toHaveLength(1);
    const [{ x, y, band, singles }] = lines;
    expect(x).toEqual([1, 2, 3]);
    expect(y).toEqual([2, 3, 1]);
    // t(0.975, 2) = 4.302653, deviation of 2, 3, 4: 1.
    const reach = 4.302652729911275 / Math.sqrt(3);
    expect(band![1][0]).toBeCloseTo(3 - reach, 9);
    expect(band![1][1]).toBeCloseTo(3 + reach, 9);
    expect(band![0]).toEqual([2, 2]);
    expect(singles).toHaveLength(3);
  });

  it('has a mean as far as two runs have come', () => {
    const shorter = { ...seeds[1], series: [epochs(loss, [2])] };
    const [{ lines }] = curvePlots([seeds[0], shorter], wanted);
    expect(lines[0].x).toEqual([1]);
    expect(lines[0].singles!.map(({ x }) => x.length)).toEqual([3, 1]);
  });

  it('has each run under its own name where no two have a value at the same place', () => {
    const head = { ...loss, x: [1], y: [2] };
    const apart = seeds.map((run, i) => ({ ...run, series: [{ ...head, x: [10 * i, 10 * i + 5], y: [2, 1] }] }));
    const drawn = (views: readonly RunView[]) =>
      curvePlots(views, wanted).map(({ lines }) => lines.map(({ name, x, band }) => [name, x[0], band]));
    const single = ['runs/a-1', 'runs/a-2', 'runs/a-3'].map((name, i) => [name, 10 * i, undefined]);
    expect(drawn([...apart, other])).toEqual([[...single, ['runs/b', 1, undefined]]]);
    // Replicates alone: lines of a plot are measures.
    expect(drawn(apart)).toEqual([single.map(([name, ...rest]) => [`validation loss (${name})`, ...rest])]);
    const begun = [seeds[0], ...seeds.slice(1).map((run) => ({ ...run, series: [] }))];
    expect(drawn([...begun, other])).toEqual([
      [
        ['runs/a-1', 1, undefined],
        ['runs/b', 1, undefined],
      ],
    ]);
  });

  it('has single lines where no mean is wanted', () => {
    const [{ lines }] = curvePlots(seeds, { ...wanted, mean: false });
    expect(lines.map(({ name, band }) => [name, band])).toEqual(seeds.map(({ name }) => [name, undefined]));
  });

  it('compares what runs share, alone', () => {
    const more = {
      ...other,
      series: [...other.series, epochs({ ...loss, name: 'zeroOneLoss', title: 'zero one loss' }, [1, 1])],
    };
    expect(curvePlots([seeds[0], more], wanted).map(({ title }) => title)).toEqual(['validation loss']);
    expect(curvePlots([seeds[0], more], { ...wanted, names: ['zeroOneLoss'] }).map(({ title }) => title)).toEqual([
      'zero one loss',
    ]);
  });

  it('puts measures of a kind into one plot of a single run, rates last, speed nowhere', () => {
    const rate = epochs({ name: 'learningRate', of: 'epoch', title: 'learning rate', unit: 'rate' }, [0.1, 0.05]);
    const train = epochs({ ...loss, name: 'trainLoss', title: 'train loss' }, [2, 1]);
    const seconds = epochs({ name: 'seconds', of: 'epoch', title: 'seconds', unit: 'seconds' }, [1, 1]);
    const view = runOf('a', 0, [rate, train, epochs(loss, [2, 1]), seconds]);
    expect(curvePlots([view], wanted).map(({ title, lines }) => [title, lines.map(({ name }) => name)])).toEqual([
      ['loss', ['train loss', 'validation loss']],
      ['learning rate', ['learning rate']],
    ]);
  });
});

describe('drawCurves', () => {
  it('draws bands, thin single lines, and a legend with names as text', async () => {
    const svg = String(await drawCurves([...seeds, { ...other, name: 'runs/<b>&' }]));
    expectWellFormed(svg);
    expect([...svg.matchAll(/<polygon [^>]*fill-opacity="0.18"/g)]).toHaveLength(1);
    expect([...svg.matchAll(/stroke-opacity="0.45"/g)]).toHaveLength(3);
    expect(svg).toContain('>runs/&lt;b&gt;&amp;<');
    expect(svg).toContain('>epochs done<');
    expect(svg).toContain('>validation loss<');
    expect(svg).toContain('95% confidence interval');
  });

  it('tells lines apart by colour, by dash and by mark', async () => {
    const many = Array.from({ length: 8 }, (_, i) => ({ ...other, name: `r${i}`, settings: { i } }));
    const svg = String(await drawCurves(many));
    const lines = [...svg.matchAll(/stroke="(#\w+)" stroke-width="1.8"(?: stroke-dasharray="([\d ]+)")?/g)];
    expect(new Set(lines.map(([, colour, dash]) => `${colour} ${dash}`)).size).toBe(8);
  });

  it('writes shares in percent, within what there is', async () => {
    const accuracy = { name: 'validationAccuracy', of: 'epoch', title: 'validation accuracy', unit: 'share' } as const;
    const views = [0.9, 1].map((value, seed) => runOf(`a${seed}`, seed, [epochs(accuracy, [0.1, value])]));
    const svg = String(await drawCurves(views));
    expect(svg).toContain('>validation accuracy, %<');
    expect(svg).toContain('>100<');
    expect(svg).not.toContain('>120<');
  });

  it('has a logarithmic axis for perplexities that fall far', async () => {
    const perplexity = {
      name: 'validationPerplexity',
      of: 'epoch',
      title: 'validation perplexity',
      unit: 'perplexity',
    } as const;
    const svg = String(await drawCurves([runOf('a', 0, [epochs(perplexity, [900_000, 5000, 120])])]));
    expect(svg).toContain('>validation perplexity (logarithmic)<');
    for (const tick of ['1000', '10000', '1e5']) expect(svg).toContain(`>${tick}<`);
    expect(String(await drawCurves([runOf('a', 0, [epochs(perplexity, [120, 100])])]))).not.toContain('logarithmic');
  });

  it('draws a single value, values that are all the same, and steps', async () => {
    for (const y of [[1], [0, 0, 0]]) expectWellFormed(String(await drawCurves([runOf('a', 0, [epochs(loss, y)])])));
    const steps = runOf('a', 0, [{ ...loss, of: 'step', x: [10, 20], y: [2, 1] }]);
    expect(String(await drawCurves([steps], { of: 'step' }))).toContain('>steps done<');
  });

  it('draws PNG', async () => {
    const png = await drawCurves([other], { format: 'png' });
    expect(png.slice(1, 4)).toEqual(new Uint8Array([80, 78, 71]));
  });

  it.each<[string, unknown, object, RegExp]>([
    ['no run', [], {}, /at least one/],
    ['what is no view', [{ name: 'a' }], {}, /views as readRunView gives them/],
    ['values that are no numbers', [runOf('a', 0, [{ ...loss, x: [1], y: [Number.NaN] }])], {}, /views as readRunView/],
    ['a run without epochs', [runOf('a', 0, [])], {}, /expected series to draw but the runs have none over epochs$/],
    ['series that no run has', [other], { names: ['x'] }, /none over epochs of x$/],
    ['another format', [other], { format: 'gif' }, /for format but received 'gif'$/],
    ['a mean that is none', [other], { mean: 1 }, /true or false for mean/],
  ])('refuses %s', async (_, views, options, message) => {
    const drawn = drawCurves(views as RunView[], options);
    await expect(drawn).rejects.toThrow(ArgumentError);
    await expect(drawn).rejects.toThrow(message);
  });
});
