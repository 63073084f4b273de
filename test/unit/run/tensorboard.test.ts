// Event files of runs, read back by a reader that shares nothing with the writer.
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { AbortedError, ArgumentError, FileError } from '../../../src/errors.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { exportTensorboard, type SearchOptions, search, selectBy, train } from '../../../src/index.ts';
import { methods } from '../../../src/methods/registry.ts';
import { openTensorboard } from '../../../src/run/tensorboard_log.ts';
import { tagOf } from '../../../src/run/tensorboard_records.ts';
import { eventFilesIn, type ReadEvent, readEventFile, scalarsOf, shownIn } from '../../helpers/event_file.ts';
import { createFakeDevice, type FakeOptions } from '../../helpers/fake_device.ts';
import { contentsOf } from '../../helpers/run_contents.ts';
import { scratch } from '../../helpers/scratch.ts';
import { tinyDataset, tinySettings } from '../../helpers/tiny_search.ts';

/** A PNG's beginning that tells a size, and the genotype behind it. */
vi.mock('../../../src/report/draw.ts', () => ({
  drawGenotype: async (genotype: unknown, format: string) => {
    if (format !== 'png') return '<svg/>';
    const head = Buffer.alloc(24);
    head.write('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'latin1');
    head.writeUInt32BE(30, 16);
    head.writeUInt32BE(20, 20);
    return Buffer.concat([head, Buffer.from(JSON.stringify(genotype))]);
  },
}));

type JournalLine = Readonly<Record<string, unknown>> & { readonly type: string };

const journalOf = (run: string): JournalLine[] =>
  readFileSync(join(run, 'journal.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

const board = (run: string) => join(run, 'tensorboard');

function start(options: SearchOptions, fake: FakeOptions = {}) {
  return search({
    ...{ dataset: tinyDataset(), settings: tinySettings, device: createFakeDevice(fake), tensorboard: true },
    ...options,
  }).result;
}

/** Aborts a search at a call of its device: three a step and one more an epoch. */
async function stopAt(call: number, options: SearchOptions): Promise<void> {
  const controller = new AbortController();
  const before = (at: number) => at === call && controller.abort();
  await expect(start({ ...options, signal: controller.signal }, { before })).rejects.toThrow(AbortedError);
}

const resume = (directory: string, options: SearchOptions = {}) =>
  search({ resume: directory, dataset: tinyDataset(), device: createFakeDevice(), tensorboard: true, ...options })
    .result;

/** What events tell, without the clock: neither times nor rates. */
function toldBy(events: readonly ReadEvent[]) {
  return events.flatMap(({ step, values }) =>
    values
      .filter(({ tag, plugin }) => !/per_second|seconds$/.test(tag) && plugin !== 'hparams')
      .map((value) => ({ step, ...value })),
  );
}

describe('the event file of a search', () => {
  it('begins with its version, and its steps and times never fall', async () => {
    const out = join(scratch(), 'run');
    await start({ out });
    const files = eventFilesIn(board(out));
    expect(files).toHaveLength(1);
    expect(files[0]).toMatch(/events\.out\.tfevents\.\d{10}\.[\w.-]+\.\d+\.0$/);
    const events = readEventFile(files[0]);
    expect(events[0]).toMatchObject({ version: 'brain.Event:2', step: 0, values: [] });
    for (const [i, { step, seconds }] of events.entries()) {
      expect(step).toBeGreaterThanOrEqual(events[Math.max(0, i - 1)].step);
      expect(seconds).toBeGreaterThanOrEqual(events[Math.max(0, i - 1)].seconds);
      expect(Math.abs(seconds - Date.now() / 1000)).toBeLessThan(600);
    }
  });

  it('has every measure of the journal as a scalar, at the steps behind it', async () => {
    const out = join(scratch(), 'run');
    await start({ out });
    let steps = 0;
    const expected = journalOf(out).flatMap(({ type, ...record }) => {
      if (type === 'step') steps++;
      if (type !== 'step' && type !== 'epoch') return [];
      const tags: Record<string, string> =
        type === 'step'
          ? {
              loss: 'step/loss',
              accuracy: 'step/accuracy',
              validationLoss: 'step/validation_loss',
              imagesPerSecond: 'step/images_per_second',
            }
          : {
              ...{ learningRate: 'epoch/learning_rate', seconds: 'epoch/seconds' },
              ...{ trainLoss: 'train/loss', trainAccuracy: 'train/accuracy' },
              ...{ validationLoss: 'validation/loss', validationAccuracy: 'validation/accuracy' },
            };
      const measured = Object.keys(record).filter(
        (name) => !['epoch', 'epochs', 'step', 'steps', 'secondsLeft', 'validationTop5'].includes(name),
      );
      return measured.map((name) => [tags[name], steps, Math.fround(Number(record[name]))]);
    });
    expect(expected.length).toBeGreaterThan(6 * 4 + 2 * 6 - 1);
    const found = scalarsOf(shownIn(board(out))).filter(([tag]) => !tag.startsWith('result/'));
    expect(found).toEqual(expected);
  });

  it('has alpha and mixing weights of every table as histograms, before the first step and after each epoch', async () => {
    const out = join(scratch(), 'run');
    await start({ out });
    const tables = journalOf(out).flatMap((record) =>
      record.type === 'alpha' ? [record['tables'] as Record<string, number[][]>] : [],
    );
    const values = shownIn(board(out)).flatMap(({ step, values }) => values.map((value) => ({ step, ...value })));
    for (const [cell, name] of Object.entries({ normal: 'alphas_normal', reduce: 'alphas_reduce' })) {
      const told = values.filter(({ tag }) => tag === `alpha/${cell}`);
      expect(told.map(({ step }) => step)).toEqual([0, 3, 6]);
      for (const [i, { histogram }] of told.entries()) {
        const numbers = tables[i][name].flat();
        expect(histogram?.num).toBe(numbers.length);
        expect(histogram?.counts.reduce((sum, count) => sum + count, 0)).toBe(numbers.length);
        expect([histogram?.min, histogram?.max]).toEqual([Math.min(...numbers), Math.max(...numbers)]);
        expect(histogram?.sum).toBeCloseTo(
          numbers.reduce((sum, value) => sum + value, 0),
          9,
        );
        expect(histogram?.limits.at(-1)).toBe(histogram?.max);
        // Each bucket ends behind the one before it.
        expect(histogram?.limits).toEqual(histogram?.limits.toSorted((a, b) => a - b));
      }
      const mixing = values.filter(({ tag }) => tag === `mixing/${cell}`);
      expect(mixing).toHaveLength(3);
      // Rows of softmax.
      expect(mixing[2].histogram?.sum).toBeCloseTo(tables[2][name].length, 4);
    }
  });

  it('has a picture of the cells wherever the genotype changed', async () => {
    const out = join(scratch(), 'run');
    await start({ out, settings: { ...tinySettings, epochs: 6 } });
    let before = '';
    const changed = journalOf(out).flatMap((record) => {
      const text = JSON.stringify(record['genotype']);
      if (record.type !== 'genotype' || text === before) return [];
      before = text;
      return [text];
    });
    const images = shownIn(board(out)).flatMap(({ values }) =>
      values.flatMap(({ tag, image }) => (image ? [{ tag, ...image }] : [])),
    );
    expect(images.map(({ png }) => png.subarray(24).toString())).toEqual(changed);
    expect(images[0]).toMatchObject({ tag: 'cells', width: 30, height: 20 });
  });

  it('tells settings as a table and to the table of runs, notices, the result and the end', async () => {
    const out = join(scratch(), 'run');
    const dataset = { ...tinyDataset(), notices: ['a <b>batch</b> | is\nmissing'] };
    await start({ out, dataset });
    const values = shownIn(board(out)).flatMap((event) => event.values);
    const settings = values.find(({ tag }) => tag === 'settings');
    expect(settings?.plugin).toBe('text');
    expect(settings?.text).toContain('| setting | value |\n| --- | --- |\n| method | darts |');
    expect(settings?.text).toContain('| batchSize | 8 |');
    expect(values.find(({ tag }) => tag === 'log')?.text).toBe('a \\<b\\>batch\\</b\\> \\| is missing');
    expect(values.filter(({ plugin }) => plugin === 'hparams').map(({ tag }) => tag)).toEqual([
      '_hparams_/session_start_info',
      '_hparams_/session_end_info',
    ]);
    const result = journalOf(out).at(-1);
    expect(scalarsOf(shownIn(board(out))).filter(([tag]) => tag.startsWith('result/'))).toContainEqual([
      ...['result/validation_accuracy', 6],
      Math.fround(Number(result?.['validationAccuracy'])),
    ]);
  });

  it('changes no bit of the run, and is not there unless asked for', async () => {
    const [plain, told] = ['plain', 'told'].map((name) => join(scratch(), name));
    await start({ out: plain, tensorboard: false });
    await start({ out: told });
    expect(existsSync(board(plain))).toBe(false);
    rmSync(board(told), { recursive: true });
    expect(contentsOf(told)).toEqual(contentsOf(plain));
  });

  it('needs a directory', async () => {
    await expect(start({})).rejects.toThrow(/tensorboard needs out/);
    await expect(start({ out: join(scratch(), 'run'), tensorboard: 'yes' as never })).rejects.toThrow(ArgumentError);
  });

  it('says in one line when the disk takes none', async () => {
    const out = join(scratch(), 'run');
    mkdirSync(out);
    writeFileSync(board(out), 'in the way');
    await expect(start({ out })).rejects.toThrow(FileError);
  });
});

describe('a record that makes no sense', () => {
  it('is left out, and ends no run', async () => {
    const out = join(scratch(), 'run');
    await start({ out, tensorboard: false });
    const darts = methods.find(({ name }) => name === 'darts')!;
    const log = await openTensorboard(out, darts);
    const before = readFileSync(eventFilesIn(board(out))[0]).length;
    const spoilt = [
      { type: 'alpha', tables: { alphas_normal: [[Number.NaN]] } },
      { type: 'layout' },
      { type: 'genotype' },
    ];
    for (const record of spoilt) await log.append({ epoch: 2, ...record } as never);
    await log.close();
    expect(readFileSync(eventFilesIn(board(out))[0]).length).toBe(before);
  });
});

describe('a search that goes on', () => {
  const settings = { ...tinySettings, epochs: 3 };
  const whole = async () => {
    const out = join(scratch(), 'whole');
    await start({ out, settings });
    return toldBy(shownIn(board(out)));
  };

  it.each([1, 2, 3, 4, 5, 7, 9])('shows the same as one that was never stopped, stopped at call %i', async (call) => {
    const out = join(scratch(), 'run');
    await stopAt(call, { out, settings });
    await resume(out);
    expect(eventFilesIn(board(out))).toHaveLength(2);
    expect(toldBy(shownIn(board(out)))).toEqual(await whole());
  });

  it('takes back what a killed process told behind the checkpoint', async () => {
    const out = join(scratch(), 'run');
    const controller = new AbortController();
    const before = (at: number) => at === 6 && controller.abort();
    await expect(start({ out, settings, signal: controller.signal }, { before })).rejects.toThrow(AbortedError);
    // The checkpoint of the epoch before, as a kill leaves it: the journal and the event file are ahead of it.
    const killed = join(scratch(), 'killed');
    await start({ out: killed, settings });
    writeFileSync(join(killed, 'checkpoint.safetensors'), readFileSync(join(out, 'checkpoint.safetensors')));
    await resume(killed);
    const scalars = scalarsOf(shownIn(board(killed)));
    expect(new Set(scalars.map(([tag, step]) => `${tag} ${step}`)).size).toBe(scalars.length);
    expect(toldBy(shownIn(board(killed)))).toEqual(await whole());
  });

  it('starts all over where the checkpoint is gone', async () => {
    const out = join(scratch(), 'run');
    await stopAt(7, { out, settings });
    rmSync(join(out, 'checkpoint.safetensors'));
    await resume(out);
    expect(readEventFile(eventFilesIn(board(out))[1])[1]).toMatchObject({ step: 0, session: 1 });
    expect(toldBy(shownIn(board(out)))).toEqual(await whole());
  });

  it('writes what was before it too, where that was begun without', async () => {
    const out = join(scratch(), 'run');
    await stopAt(6, { out, settings, tensorboard: false });
    await resume(out);
    expect(eventFilesIn(board(out))).toHaveLength(1);
    expect(toldBy(shownIn(board(out)))).toEqual(await whole());
  });

  it('fills a gap of a process that told nothing', async () => {
    const out = join(scratch(), 'run');
    await stopAt(2, { out, settings });
    const controller = new AbortController();
    const device = createFakeDevice({ before: (at) => at === 4 && controller.abort() });
    await expect(resume(out, { tensorboard: false, signal: controller.signal, device })).rejects.toThrow(AbortedError);
    await resume(out);
    expect(toldBy(shownIn(board(out)))).toEqual(await whole());
  });

  it('bears a file that is torn anywhere, empty or none of its own', async () => {
    const expected = await whole();
    for (const keep of [0, 5, 60, 0.5, 0.9, -1, -20]) {
      const out = join(scratch(), 'run');
      await stopAt(7, { out, settings });
      const [file] = eventFilesIn(board(out));
      const { length } = readFileSync(file);
      truncateSync(file, keep < 0 ? length + keep : keep < 1 ? Math.floor(length * keep) : keep);
      expect(readEventFile(file, true).length).toBeGreaterThanOrEqual(0);
      await resume(out);
      expect(toldBy(shownIn(board(out), true)), `cut to ${keep}`).toEqual(expected);
    }
    const out = join(scratch(), 'run');
    await stopAt(7, { out, settings });
    writeFileSync(eventFilesIn(board(out))[0], 'no event file at all');
    await resume(out);
    expect(toldBy(readEventFile(eventFilesIn(board(out))[1]))).toEqual(expected);
  });
});

describe('other runs', () => {
  it('a training tells its test measures', async () => {
    const out = join(scratch(), 'run');
    const dataset = { ...tinyDataset(), test: tinyDataset(2).train };
    const settings = { batchSize: 8, epochs: 2, initChannels: 2, layers: 3, auxiliary: false };
    const genotype = genotypes['DARTS_V2'];
    await train({ dataset, genotype, settings, device: createFakeDevice(), out, tensorboard: true }).result;
    const tags = new Set(scalarsOf(shownIn(board(out))).map(([tag]) => tag));
    for (const tag of ['train/loss', 'test/accuracy', 'test/loss', 'result/test_accuracy']) expect(tags).toContain(tag);
  });

  it('a training that follows a search has its own', async () => {
    const out = join(scratch(), 'run');
    const dataset = { ...tinyDataset(), test: tinyDataset(2).train };
    const training = { settings: { batchSize: 8, epochs: 1, initChannels: 2, layers: 3, auxiliary: false } };
    await start({ out, dataset, training });
    expect(scalarsOf(shownIn(board(join(out, 'train')))).some(([tag]) => tag === 'test/accuracy')).toBe(true);
    const exported = join(scratch(), 'board');
    const { files } = await exportTensorboard(out, { out: exported });
    expect(files).toHaveLength(2);
    expect(toldBy(shownIn(join(exported, 'train')))).toEqual(toldBy(shownIn(board(join(out, 'train')))));
  });

  it('a selection tells its scores and decisions', async () => {
    const folder = scratch();
    const dataset = tinyDataset();
    const space = { name: 'tiny', nodes: 2, candidates: ['none', 'skip_connect'] };
    const run = join(folder, 'search');
    await start({ out: run, space, dataset });
    const out = join(folder, 'selection');
    const settings = { projIntv: 1 };
    await selectBy({ run, out, dataset, space, settings, device: createFakeDevice(), tensorboard: true }).result;
    const events = shownIn(board(out));
    expect(scalarsOf(events).filter(([tag]) => tag === 'step/score_accuracy').length).toBeGreaterThan(2);
    const decisions = journalOf(out).filter(({ type }) => type === 'decision').length;
    const told = events.flatMap(({ values }) => values.filter(({ tag }) => tag === 'log'));
    expect(told.length).toBeGreaterThanOrEqual(decisions);
  });
});

describe('exportTensorboard', () => {
  it('makes of the journal alone what the run told, with times that never fall', async () => {
    const out = join(scratch(), 'run');
    const began = Date.now() / 1000;
    await start({ out });
    const live = shownIn(board(out));
    rmSync(board(out), { recursive: true });
    const exported = join(scratch(), 'a', 'board');
    const { files, problems } = await exportTensorboard(out, { out: exported });
    expect(problems).toEqual([]);
    const events = readEventFile(files[0]);
    expect(toldBy(events)).toEqual(toldBy(live));
    expect(scalarsOf(events)).toEqual(scalarsOf(live));
    for (const [i, { seconds }] of events.entries()) {
      expect(seconds).toBeGreaterThanOrEqual(i === 0 ? began - 1 : events[i - 1].seconds);
      expect(seconds).toBeLessThan(Date.now() / 1000 + 1);
    }
  });

  it('gives the same bytes in the same place again, and leaves event files of others alone', async () => {
    const out = join(scratch(), 'run');
    await start({ out });
    const exported = join(scratch(), 'board');
    const { files } = await exportTensorboard(out, { out: exported });
    const bytes = readFileSync(files[0]);
    expect((await exportTensorboard(out, { out: exported })).files).toEqual(files);
    expect(readFileSync(files[0]).equals(bytes)).toBe(true);
    expect(readdirSync(exported)).toHaveLength(1);
    await expect(exportTensorboard(out, { out: board(out) })).rejects.toThrow(/holds event files already/);
  });

  it('leaves out what is damaged, says so and shows the rest', async () => {
    const out = join(scratch(), 'run');
    await start({ out });
    const path = join(out, 'journal.jsonl');
    const [first, ...lines] = readFileSync(path, 'utf8').trimEnd().split('\n');
    const hostile = [
      '{"type":"step","epo',
      '{"type":"genotype","epoch":0,"genotype":{"normal":7}}',
      '{"type":"alpha","epoch":0,"tables":{"alphas_normal":[[1]]}}',
      '{"type":"layout","epoch":0,"step":0}',
      '{"type":"decision","epoch":0}',
      '{"type":"epoch","epoch":1,"seconds":"x","trainLoss":null,"<script>":1}',
      '{"type":"unheard-of","epoch":1}',
      'null',
    ];
    writeFileSync(path, `${[first, ...hostile, ...lines].join('\n')}\n`);
    appendFileSync(path, '{"type":"step","epoch":9,"loss":1');
    const { files, problems } = await exportTensorboard(out, { out: join(scratch(), 'board') });
    expect(problems.length).toBeGreaterThanOrEqual(4);
    for (const problem of problems) expect(problem).toMatch(/^left out of .*\S$/);
    const scalars = scalarsOf(readEventFile(files[0]));
    expect(scalars.filter(([tag]) => tag === 'step/loss')).toHaveLength(6);
    expect(scalars.map(([tag]) => tag)).toContain('epoch/_script_');
  });

  it.each([
    ['a folder that is none', 'nowhere', /holds no journal/],
    ['a NUL character', 'a\0b', /expected the path of a folder for run/],
  ])('refuses %s', async (_, run, message) => {
    await expect(exportTensorboard(run, { out: join(scratch(), 'board') })).rejects.toThrow(message);
  });

  it('refuses a journal without a record, and options that it does not know', async () => {
    const run = scratch();
    writeFileSync(join(run, 'journal.jsonl'), '');
    await expect(exportTensorboard(run, { out: join(run, 'board') })).rejects.toThrow(/tells nothing yet/);
    await expect(exportTensorboard(run, { out: '' })).rejects.toThrow(ArgumentError);
    await expect(exportTensorboard(run, { out: 'x', step: 1 } as never)).rejects.toThrow(ArgumentError);
  });
});

describe('tags', () => {
  it.each(methods.map((method) => [method.name, method] as const))('of %s are one a measure', (_, method) => {
    const tags = method.measures.map(({ of, name }) => tagOf(method, of, name));
    expect(new Set(tags).size).toBe(tags.length);
    for (const tag of tags) expect(tag).toMatch(/^[a-z0-9_]+\/[a-z0-9_]+$/);
  });
});
