// Reports of runs, as files: what a page holds, that nothing of a run becomes markup, what is told of damaged runs.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ArgumentError, FileError } from '../../../src/errors.ts';
import { publishedGenotypes } from '../../../src/genotype/published.ts';
import { reportPage } from '../../../src/report/report_page.ts';
import { writeReport } from '../../../src/run/report.ts';
import { readRunView } from '../../../src/run/view.ts';
import { expectWellFormed } from '../../helpers/markup.ts';
import { scratch } from '../../helpers/scratch.ts';
import { searchRecords, writeJournal } from '../../helpers/written_run.ts';

const genotypes = ['DARTS_V1', 'DARTS_V2'].map((name) => publishedGenotypes[name]);
const hostile = '<img src=x onerror=alert(1)>"&\u202e\u0000';

/** Writes searches by name and gives their page, whose figures are not drawn as PNG: that takes the longest. */
async function pageOf(runs: Readonly<Record<string, readonly (object | string)[]>>) {
  const folder = scratch();
  const views = [];
  for (const [name, records] of Object.entries(runs)) {
    views.push(await readRunView(writeJournal(join(folder, 'runs', name), records), { name }));
  }
  const { html, figures } = await reportPage(views, []);
  expectWellFormed(html);
  for (const { svg } of figures) expectWellFormed(svg);
  return { html, figures: figures.map(({ name }) => name) };
}

/** Nothing that runs, and nothing from elsewhere. */
function expectHarmless(html: string): void {
  expect(html).toContain(`content="default-src 'none'; style-src 'unsafe-inline'; img-src data:;`);
  const outside = html.replaceAll('http://www.w3.org/', '');
  expect(outside).not.toMatch(
    /<(script|iframe|object|embed|link|base|form|foreignObject)\b|(?:src|href)="(?!data:)|url\(|@import/i,
  );
  expect(outside).not.toMatch(/<[^>]* on\w+=/i);
}

describe('reportPage', () => {
  it('shows a run with its curves, histories, cells, settings and log', async () => {
    const { html, figures } = await pageOf({ mine: searchRecords({ genotypes, notices: ['a notice'] }) });
    expectHarmless(html);
    const texts = ['Report of mine', 'validation accuracy', 'learning rate', 'normal cell', 'a notice', 'batchSize'];
    for (const text of [...texts, 'Genotype(']) expect(html).toContain(text);
    expect(html).toContain('prefers-color-scheme:dark');
    const stems = ['curves', 'steps', 'cells', 'animation', 'area', 'heatmap', 'histogram', 'skips', 'grid'];
    expect(figures).toEqual(stems.map((stem) => `mine-${stem}`));
  });

  it('compares runs of one command, with the mean of seeds and its interval, and settings that differ', async () => {
    const { html, figures } = await pageOf({
      'a-1': searchRecords({ genotypes, seed: 1, accuracies: [0.1, 0.5] }),
      'a-2': searchRecords({ genotypes, seed: 2, accuracies: [0.1, 0.7] }),
      b: searchRecords({ genotypes, settings: { batchSize: 8 } }),
    });
    expect(html).toContain('Runs of search on mnist, beside one another');
    expect(html).toContain('a (mean of 2 seeds)');
    // t(0.975, 1) = 12.706, deviation 0.1414: 0.6 ± 1.27.
    expect(html).toContain('<td>2</td><td>60.0%</td><td>14.1%</td><td>-67.1% to 187.1%</td>');
    expect(html).toContain('<td>batchSize</td><td>4</td><td>4</td><td>8</td>');
    expect(figures).toContain('compared-search-on-mnist-curves');
    expect(figures).toContain('compared-search-on-mnist-skips');
  });

  it('compares no losses of a search with those of a training, or of other data', async () => {
    const { html } = await pageOf({
      search: searchRecords({ genotypes }),
      train: searchRecords({ genotypes, start: { run: 'train', method: 'train' } }),
      other: searchRecords({ genotypes, start: { dataset: 'cifar10' } }),
    });
    expect(html).not.toContain('beside one another');
    expect(html).toContain('Report of 3 runs');
  });

  it('writes whatever a run says as text', async () => {
    const { html } = await pageOf({
      x: searchRecords({
        genotypes,
        notices: [hostile],
        settings: { [hostile]: hostile, path: { deep: hostile } },
        start: { method: hostile, dataset: hostile, space: hostile, device: hostile, time: hostile },
      }),
      '<b>': searchRecords({ genotypes, start: { run: hostile } }),
    });
    expectHarmless(html);
    expect(html).toContain('&lt;img src=x onerror=alert(1)&gt;&quot;&amp;');
    expect(html).not.toContain('<img src=x');
    expect(html).not.toContain('\u0000');
  });

  it('has figures whose names are plain whatever runs are called, each another', async () => {
    const names = ['..a', 'A', 'a', '%2e%2e', 'ä ö', 'x'.repeat(200)];
    const { figures } = await pageOf(
      Object.fromEntries(names.map((name) => [name, searchRecords({ genotypes: [genotypes[0]] })])),
    );
    expect(figures.every((name) => /^[\w-]{1,100}$/.test(name))).toBe(true);
    expect(new Set(figures.map((name) => name.toLowerCase())).size).toBe(figures.length);
  });

  it('shows what can be read of a damaged journal, and tells the problem', async () => {
    const records: (object | string)[] = searchRecords({ genotypes });
    records.splice(5, 0, '{"type":"epoch","epo', 'not json', '{"type":"alpha","epoch":0,"tables":{"n":[[1]]}}');
    const { html } = await pageOf({ damaged: records });
    expect(html).toContain('a line of the journal is damaged and was left out');
    expect(html).toContain('does not fit the tables');
    expect(html).toContain('validation accuracy');
  });

  it('shows a run that has only begun, and one that is cut in its first line', async () => {
    const [start] = searchRecords({ genotypes });
    const { html, figures } = await pageOf({ begun: [start], cut: [JSON.stringify(start).slice(0, 40)], empty: [] });
    expect([...html.matchAll(/There is nothing to draw yet/g)]).toHaveLength(3);
    expect(figures).toEqual([]);
  });

  it('tells of a run that cannot be shown, and shows the others and their comparison', async () => {
    const [good, other] = await Promise.all(
      ['good', 'other'].map((name) =>
        readRunView(writeJournal(join(scratch(), name), searchRecords({ genotypes })), { name }),
      ),
    );
    const bad = { ...good, name: 'bad', started: 5 as unknown as string };
    const { html, figures, problems } = await reportPage([bad, good, other], []);
    expect(problems).toEqual([expect.stringMatching(/^bad cannot be shown: /)]);
    expect(html).toContain(`<li>${problems[0]}</li>`);
    expect(html).toContain('<h2>good</h2>');
    expect(html).not.toContain('<h2>bad</h2>');
    expect(html).toContain('beside one another');
    expect(figures.map(({ name }) => name)).toContain('good-curves');
  });

  it('gives every figure a name of its own: a stage, a run that is called alike, a comparison', async () => {
    const view = await readRunView(writeJournal(join(scratch(), 's'), searchRecords({ genotypes })), { name: 's' });
    const [stage] = view.stages;
    const staged = {
      ...view,
      stages: [{ ...stage, name: 'first' }, ...['Second', 'se cond', 'se-cond'].map((name) => ({ ...stage, name }))],
    };
    const { figures } = await reportPage(
      [staged, { ...view, name: 's-second' }, { ...view, name: 'compared-search-on-mnist' }],
      [],
    );
    const names = figures.map(({ name }) => name.toLowerCase());
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining(['s-second-area', 's-second-area-2', 's-se-cond-area-2']));
    expect(names.filter((name) => /^compared-search-on-mnist-curves/.test(name))).toHaveLength(2);
  });

  it('keeps ends of lines and tabs of what a run says', async () => {
    const text = 'one\n\ttwo\r\nthree\u0007';
    const { html } = await pageOf({ a: searchRecords({ genotypes, notices: [text], settings: { note: text } }) });
    expect([...html.matchAll(/<td>one\n\ttwo\r\nthree\uFFFD<\/td>/g)]).toHaveLength(2);
    expect(html).toContain('td,li{white-space:pre-wrap}');
  });

  it('shows 600 epochs in a page of sane size: a grid of weights with fewer epochs', async () => {
    const many = Array.from({ length: 600 }, (_, i) => genotypes[Math.floor(i / 100) % 2]);
    const records = searchRecords({ genotypes: many });
    const view = await readRunView(writeJournal(join(scratch(), 'run'), records), { name: 'run' });
    const { html, figures } = await reportPage([view], []);
    expect(html.length).toBeLessThan(2_000_000);
    const marks = figures.find(({ name }) => name === 'run-grid')!.svg.match(/M[\d.]+ [\d.]+h5\.2/g)!;
    expect(marks.length).toBeLessThanOrEqual(15_000);
    expect(marks.length).toBeGreaterThan(5000);
  });

  it('tells of a picture that cannot be drawn, and draws the others', async () => {
    const view = await readRunView(writeJournal(join(scratch(), 'run'), searchRecords({ genotypes })), { name: 'run' });
    const decision = { kind: 'operation', number: 1, cell: 'normal', node: 0, tried: [], decided: 5 } as const;
    const { html, figures } = await reportPage([{ ...view, scores: { criterion: 'acc', decisions: [decision] } }], []);
    expect(html).toContain('What was scored cannot be drawn: ');
    expect(figures.map(({ name }) => name)).toContain('run-curves');
  });
});

describe('writeReport', () => {
  const begun = searchRecords({ genotypes }).slice(0, 1);

  it('writes the page, and every figure that does not move as SVG and PNG, into their folder alone', async () => {
    const folder = scratch();
    const records = searchRecords({ genotypes }).filter((record) => !('tables' in record));
    const run = writeJournal(join(folder, 'runs', 'mine'), records);
    const out = join(folder, 'page.html');
    const { files } = await writeReport([run], { out });
    const drawn = readdirSync(join(folder, 'page-figures'));
    expect(drawn.map((name) => name.replace(/^mine-/, '')).sort()).toEqual([
      ...['animation.svg', 'cells.png', 'cells.svg', 'curves.png', 'curves.svg', 'steps.png', 'steps.svg'],
    ]);
    expect(readdirSync(folder).sort()).toEqual(['page-figures', 'page.html', 'runs']);
    expect(files.map((file) => basename(file)).sort()).toEqual(['page.html', ...drawn].sort());
    expectHarmless(readFileSync(out, 'utf8'));
  });

  it('takes a folder with runs, runs within runs, and a run that is named twice once', async () => {
    const folder = scratch();
    const runs = join(folder, 'runs');
    for (const name of ['one', 'one/train', 'two']) writeJournal(join(runs, name), begun);
    const twice = [runs, join(runs, 'one'), relative(process.cwd(), join(runs, 'two'))];
    expect((await writeReport(twice, { out: join(folder, 'a.html') })).runs).toBe(3);
    const html = readFileSync(join(folder, 'a.html'), 'utf8');
    // What all of them lie in says nothing.
    for (const name of ['one', 'one/train', 'two']) expect(html).toContain(`<h2>${name}</h2>`);
  });

  it('shows the rest where a source holds no run, and fails where none does', async () => {
    const folder = scratch();
    const out = join(folder, 'x.html');
    const missing = join(folder, 'missing');
    await expect(writeReport([missing], { out })).rejects.toThrow(FileError);
    await expect(writeReport([scratch()], { out })).rejects.toThrow(/holds no run: expected a run directory/);
    expect(existsSync(out)).toBe(false);
    const { problems } = await writeReport([writeJournal(join(folder, 'run'), begun), missing], { out });
    expect(problems[0]).toMatch(/^cannot read .*missing/);
    expect(readFileSync(out, 'utf8')).toContain('missing: no such file or folder');
  });

  it('says in one line what it cannot write to', async () => {
    const folder = scratch();
    const run = writeJournal(join(folder, 'run'), begun);
    writeFileSync(join(folder, 'file'), '');
    const written = writeReport([run], { out: join(folder, 'x.html'), figures: join(folder, 'file', 'deep') });
    await expect(written).rejects.toThrow(/^cannot write .*deep/);
  });

  it.each<[string, unknown, unknown, RegExp]>([
    ['no source', [], { out: 'x.html' }, /a run directory at least/],
    ['a text', 'runs', { out: 'x.html' }, /a list of run directories/],
    ['no options', ['runs'], undefined, /options/],
    ['no page', ['runs'], {}, /a file name that ends in .html for out/],
    ['another ending', ['runs'], { out: 'x.pdf' }, /a file name that ends in .html for out but received 'x.pdf'/],
    ['figures that are no name', ['runs'], { out: 'x.html', figures: 1 }, /for figures/],
  ])('refuses %s', async (_, sources, options, message) => {
    const written = writeReport(sources as string[], options as { out: string });
    await expect(written).rejects.toThrow(ArgumentError);
    await expect(written).rejects.toThrow(message);
  });
});
