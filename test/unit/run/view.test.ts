// What a run has to show: from its journal, while it goes on, and whatever is wrong with it.
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileError } from '../../../src/errors.ts';
import { findRuns } from '../../../src/run/find_runs.ts';
import { readRunHistory } from '../../../src/run/history.ts';
import { thisHolder } from '../../../src/run/holder.ts';
import { SeriesCollector } from '../../../src/run/series.ts';
import { startMethod } from '../../../src/run/start.ts';
import { readRunSummary, readRunView, WatchedRun } from '../../../src/run/view.ts';
import { search } from '../../../src/search.ts';
import { createFakeDevice } from '../../helpers/fake_device.ts';
import { makePipe } from '../../helpers/pipe.ts';
import { scratch } from '../../helpers/scratch.ts';
import { tinyDataset, tinySettings } from '../../helpers/tiny_search.ts';
import { twoStages } from '../../methods/two_stages.ts';

const dataset = { ...tinyDataset(), test: tinyDataset(2).train };
const folder = mkdtempSync(join(tmpdir(), 'dartsmith-test-'));
const run = join(folder, 'group', 'mine');

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const journalOf = (directory: string) => join(directory, 'journal.jsonl');
const linesOf = (directory: string) => readFileSync(journalOf(directory), 'utf8').trimEnd().split('\n');

function withJournal(text: string): string {
  const directory = scratch();
  writeFileSync(journalOf(directory), text);
  return directory;
}

beforeAll(async () => {
  const device = createFakeDevice();
  await search({ device, dataset, out: run, settings: { ...tinySettings, epochs: 3 } }).result;
});

describe('the view of a search', () => {
  it('tells every measure of its steps and epochs, as the method calls them', async () => {
    const { series, method, title, command, state, problems } = await readRunView(run);
    expect({ method, title, command, state, problems }).toEqual({
      method: 'darts',
      title: 'DARTS',
      command: 'search',
      state: 'finished',
      problems: [],
    });
    const lines = linesOf(run).map((line) => JSON.parse(line) as Record<string, number | string>);
    for (const type of ['step', 'epoch'] as const) {
      const records = lines.filter((record) => record['type'] === type);
      const loss = type === 'step' ? 'loss' : 'validationLoss';
      const found = series.find(({ name, of }) => name === loss && of === type);
      expect(found?.x).toEqual(records.map((_, index) => index + 1));
      expect(found?.y).toEqual(records.map((record) => record[loss]));
      expect(found).toMatchObject({ unit: 'loss', better: 'lower' });
    }
    expect(series.find(({ name }) => name === 'imagesPerSecond')?.unit).toBe('samples a second');
    expect(series.some(({ name }) => ['epoch', 'steps', 'secondsLeft'].includes(name))).toBe(false);
  });

  it('has its history, the genotype of each epoch, settings, log and result', async () => {
    const view = await readRunView(run, { name: 'a name' });
    const [stage] = view.stages;
    expect(stage.history).toEqual(await readRunHistory(run));
    expect(stage.genotypes.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    expect(view.result?.genotype).toEqual(stage.genotypes.at(-1)?.genotype);
    expect(view.result?.scores).toHaveProperty('validationAccuracy');
    expect(view.settings).toMatchObject({ epochs: 3 });
    expect(view.name).toBe('a name');
    expect(view.log[0].text).toMatch(/^the search begins on /);
    expect(view.log.at(-1)?.text).toBe('the run has ended');
  });

  it('tells stages apart', async () => {
    const directory = join(scratch(), 'run');
    const options = { method: twoStages.name, device: createFakeDevice(), dataset, out: directory };
    await startMethod('search', options, [twoStages]).result;
    const { stages, series } = await readRunView(directory, { methods: [twoStages] });
    expect(stages.map(({ name }) => name)).toEqual(['first', 'second']);
    const epochs = series.find(({ of }) => of === 'epoch');
    expect(stages[1].before.epoch).toBe(stages[0].epochs);
    expect(epochs?.x.length).toBe(stages[0].epochs + stages[1].epochs);
  });
});

describe('a summary', () => {
  it('says of the ends of a journal what the view says of all of it', async () => {
    const view = await readRunView(run, { name: 'x' });
    const summary = await readRunSummary(run, 'x');
    expect(view).toMatchObject(summary);
    expect(summary).toMatchObject({ state: 'finished', progress: { epoch: 3, epochs: 3, step: 0 } });
    expect(summary.score?.title).toBe('validation accuracy');
  });

  it('takes as long for a long journal', async () => {
    const lines = linesOf(run);
    const step = lines.find((line) => line.includes('"type":"step"'))!;
    const long = withJournal(`${lines[0]}\n${`${step}\n`.repeat(200_000)}${lines.at(-1)}\n`);
    const began = performance.now();
    await readRunSummary(long, 'long');
    expect(performance.now() - began).toBeLessThan(500);
  });

  // Elsewhere the file would take as much of the disk.
  it.skipIf(process.platform !== 'linux')('takes as long for lines of gigabytes', async () => {
    for (const text of ['', `${linesOf(run)[0]}\n`]) {
      const sparse = withJournal(text);
      truncateSync(journalOf(sparse), 2 ** 31);
      const began = performance.now();
      await readRunSummary(sparse, 'long');
      expect(performance.now() - began).toBeLessThan(500);
    }
  });
});

describe('a run that goes on', () => {
  it('is read from where the last look ended, but for a line that is not whole yet', async () => {
    const lines = linesOf(run);
    const directory = withJournal(`${lines.slice(0, 5).join('\n')}\n`);
    const watched = new WatchedRun(directory, 'x');
    expect(await watched.look()).toBe(true);
    expect(await watched.look()).toBe(false);
    const before = watched.view().series.find(({ of }) => of === 'step')!.x.length;
    const half = lines[5].slice(0, 20);
    appendFileSync(journalOf(directory), half);
    expect(await watched.look()).toBe(false);
    appendFileSync(journalOf(directory), `${lines[5].slice(20)}\n${lines.slice(6).join('\n')}\n`);
    expect(await watched.look()).toBe(true);
    const whole = await readRunView(directory, { name: 'x' });
    expect(watched.view()).toEqual(whole);
    expect(whole.series.find(({ of }) => of === 'step')!.x.length).toBeGreaterThan(before);
  });

  it('begins anew where the run was taken back to its checkpoint', async () => {
    const lines = linesOf(run);
    const directory = withJournal(`${lines.join('\n')}\n`);
    const watched = new WatchedRun(directory, 'x');
    await watched.look();
    truncateSync(journalOf(directory), Buffer.byteLength(`${lines.slice(0, 6).join('\n')}\n`));
    expect(await watched.look()).toBe(true);
    expect(watched.view().result).toBeUndefined();
    expect(watched.view()).toEqual(await readRunView(directory, { name: 'x' }));
  });
});

describe('a run that goes on otherwise than it did', () => {
  const start = (notice: string) =>
    JSON.stringify({ ...(JSON.parse(linesOf(run)[0]) as object), epoch: 1, resumed: true, notices: [notice] });

  it('is read anew where a resume cut off less than it wrote', async () => {
    const lines = linesOf(run);
    const last = lines.findLastIndex((line) => line.startsWith('{"type":"step"'));
    const directory = withJournal(`${lines.slice(0, last + 1).join('\n')}\n`);
    const watched = new WatchedRun(directory, 'x');
    await watched.look();
    truncateSync(journalOf(directory), Buffer.byteLength(`${lines.slice(0, last - 1).join('\n')}\n`));
    appendFileSync(journalOf(directory), `${start('x'.repeat(1000))}\n`);
    expect(await watched.look()).toBe(true);
    expect(watched.view()).toEqual(await readRunView(directory, { name: 'x' }));
    expect(watched.view().log.at(-2)?.text).toMatch(/goes on at epoch 1/);
    expect(await watched.look()).toBe(false);
  });

  it('is read anew where it is as long as before', async () => {
    const lines = linesOf(run);
    const directory = withJournal(`${lines[0]}\n${start('one')}\n`);
    const watched = new WatchedRun(directory, 'x');
    await watched.look();
    truncateSync(journalOf(directory), Buffer.byteLength(`${lines[0]}\n`));
    appendFileSync(journalOf(directory), `${start('two')}\n`);
    expect(await watched.look()).toBe(true);
    expect(watched.view().log.at(-1)?.text).toBe('two');
  });

  it('is told to run while it is read for the first time', async () => {
    const directory = withJournal(`${linesOf(run).slice(0, 5).join('\n')}\n`);
    const token = '00000001-0000-0000-0000-000000000000';
    writeFileSync(join(directory, 'lock.json'), JSON.stringify({ token, ...thisHolder() }));
    const watched = new WatchedRun(directory, 'x');
    const looking = watched.look();
    const states = new Set<string>();
    while (watched.view().log.length === 0) await new Promise(setImmediate);
    states.add(watched.view().state);
    await looking;
    expect([...states, watched.view().state]).toEqual(['running', 'running']);
  });
});

describe('a damaged run', () => {
  it.each<[string, (line: string) => string]>([
    ['torn lines', (line) => line.slice(0, line.length / 2)],
    ['other values in place of numbers', (line) => line.replace(/:\d+(\.\d+)?/g, ':"<img onerror=alert(1)>"')],
    ['null in place of everything', (line) => line.replace(/:(\{.*\}|\[.*\])/g, ':null')],
    ['bytes that are no text', (line) => `\u0000\uFFFD${line}`],
  ])('with %s shows the rest', async (_, damage) => {
    const lines = linesOf(run);
    for (const bad of lines.keys()) {
      const text = lines.map((line, index) => (index === bad ? damage(line) : line)).join('\n');
      const view = await readRunView(withJournal(`${text}\n`));
      expect(view.problems.length).toBeGreaterThan(0);
      expect(JSON.parse(JSON.stringify(view))).toEqual(view);
      if (bad > 0 && bad < lines.length - 1) expect(view.result).toBeDefined();
    }
  });

  it('of a newer version is told in one line, and shown', async () => {
    const directory = withJournal(`${linesOf(run).join('\n')}\n`);
    const config = JSON.parse(readFileSync(join(run, 'config.json'), 'utf8')) as object;
    writeFileSync(join(directory, 'config.json'), JSON.stringify({ ...config, format: 999 }));
    const view = await readRunView(directory);
    expect(view.problems).toEqual([expect.stringMatching(/expected format \d+ but got 999; another version wrote/)]);
    expect(view.stages[0].genotypes.length).toBe(3);
  });

  it('with a line that is longer than records are is told of it once, and read behind it', async () => {
    const lines = linesOf(run);
    const directory = withJournal(`${lines[0]}\n"${'x'.repeat(2 ** 23)}"\n`);
    const watched = new WatchedRun(directory, 'x');
    expect(await watched.look()).toBe(true);
    expect(watched.view().problems).toContain('a line of the journal is damaged and was left out');
    expect(await watched.look()).toBe(false);
    appendFileSync(journalOf(directory), `${lines[1]}\n`);
    expect(await watched.look()).toBe(true);
  });

  it.skipIf(process.platform === 'win32')('with pipes in place of files is not waited for', async () => {
    for (const [name, problem] of [
      ['config.json', 'it is no file'],
      ['lock.json', 'no config.json'],
    ]) {
      const directory = withJournal(`${linesOf(run)[0]}\n`);
      makePipe(join(directory, name));
      expect((await readRunView(directory)).problems).toEqual([expect.stringContaining(problem)]);
      expect((await readRunSummary(directory, 'x')).state).toBe('interrupted');
    }
    const directory = scratch();
    makePipe(journalOf(directory));
    await expect(readRunView(directory)).rejects.toThrow(/journal.jsonl: it is no file/);
  });

  it('without a journal is refused', async () => {
    await expect(readRunView(scratch())).rejects.toThrow(FileError);
    await expect(readRunSummary(join(scratch(), 'nowhere'), 'x')).rejects.toThrow(/holds no journal/);
  });
});

describe('the runs in a folder', () => {
  it('are found six folders deep, by name, and never through links', async () => {
    const folder = scratch();
    for (const path of ['b/train', 'b', 'a/x', '1/2/3/4/5/6', '1/2/3/4/5/6/7', 'b/snapshots/x']) {
      mkdirSync(join(folder, path), { recursive: true });
      writeFileSync(journalOf(join(folder, path)), '');
    }
    symlinkSync(run, join(folder, 'link'));
    symlinkSync(journalOf(run), join(folder, 'journal.jsonl'));
    expect((await findRuns(folder)).map(({ name }) => name)).toEqual(['1/2/3/4/5/6', 'a/x', 'b', 'b/train']);
  });

  it('may be the folder itself', async () => {
    expect(await findRuns(run)).toEqual([{ name: '.', directory: run }]);
    await expect(findRuns(join(run, 'nowhere'))).rejects.toThrow(FileError);
    await expect(findRuns(journalOf(run))).rejects.toThrow(FileError);
  });
});

describe('a series', () => {
  it('of any length stays short, by means of neighbours', () => {
    const collector = new SeriesCollector({ name: 'loss', of: 'step', title: 'loss', unit: 'loss' }, 10);
    for (let i = 1; i <= 1000; i++) collector.add(i, i);
    const { x, y } = collector.series();
    expect(x.length).toBeLessThanOrEqual(20);
    expect(x.length).toBeGreaterThanOrEqual(10);
    expect(x.at(-1)).toBe(1000);
    // Each point is the mean of the values from behind the one before.
    const mean = x.map((end, index) => (end + 1 + (x[index - 1] ?? 0)) / 2);
    expect(y).toEqual(mean);
  });
});
