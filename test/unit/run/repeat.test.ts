// A run that is run again: every kind of run comes to the same bits, and what differs is found where it first does.
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { Device } from '../../../src/backend/device.ts';
import { openDevice } from '../../../src/backend/open.ts';
import { differenceText } from '../../../src/cli/repeat.ts';
import { AbortedError, ArgumentError, DataError, FileError } from '../../../src/errors.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { type RepeatOptions, repeatRun, search } from '../../../src/index.ts';
import type { RunCommand } from '../../../src/methods/method.ts';
import { takeLock } from '../../../src/run/lock.ts';
import type { MethodOptions } from '../../../src/run/options.ts';
import { Reaching, reachOf } from '../../../src/run/reach.ts';
import { startMethod } from '../../../src/run/start.ts';
import { createFakeDevice } from '../../helpers/fake_device.ts';
import { contentsOf } from '../../helpers/run_contents.ts';
import { scratch } from '../../helpers/scratch.ts';
import { tinyDataset, tinySettings } from '../../helpers/tiny_search.ts';
import { tinyTextSettings, writeTinyText } from '../../helpers/tiny_text.ts';
import { writeJournal } from '../../helpers/written_run.ts';
import { folderOf, idxImages, idxLabels } from '../data/fixtures.ts';

// Graphviz has its own tests and would take most of the time here.
vi.mock('../../../src/report/draw.ts', () => ({
  drawGenotype: async (genotype: unknown, format: string) =>
    format === 'png' ? Buffer.alloc(24) : `<svg>${JSON.stringify(genotype)}</svg>`,
}));

const dataset = { ...tinyDataset(), test: tinyDataset(2).train };
const trained = { batchSize: 8, epochs: 2, initChannels: 2, layers: 3, auxiliary: false };

const begin = (command: RunCommand, options: MethodOptions) => startMethod(command, options).result;

/** A search that the fake device has done, in a folder of its own. */
async function searched(options: MethodOptions = {}): Promise<string> {
  const out = join(scratch(), 'run');
  await begin('search', { dataset, settings: tinySettings, device: createFakeDevice(), out, ...options });
  return out;
}

const again = (run: string, options: Partial<RepeatOptions> = {}) =>
  repeatRun({ run, dataset, device: createFakeDevice(), ...options }).result;

/** Changes a file's text; throws where that changes nothing. */
function change(path: string, from: string | RegExp, to: string): void {
  const before = readFileSync(path, 'utf8');
  const after = before.replace(from, to);
  expect(after).not.toBe(before);
  writeFileSync(path, after);
}

/** A search that is aborted at a call of its device: three a step, and one more an epoch. */
async function stoppedAt(call: number): Promise<string> {
  const out = join(scratch(), 'run');
  const controller = new AbortController();
  const device = createFakeDevice({ before: (at) => at === call && controller.abort() });
  const run = begin('search', { dataset, settings: tinySettings, device, out, signal: controller.signal });
  await expect(run).rejects.toThrow(AbortedError);
  return out;
}

describe('the engine comes to the same bits', () => {
  const onEngine = async (work: (device: Device) => Promise<void>) => {
    const device = await openDevice({ backend: 'cpu', threads: 2 });
    try {
      await work(device);
    } finally {
      device.dispose();
    }
  };

  it.each<[string, RunCommand, MethodOptions]>([
    ['a search', 'search', { settings: tinySettings, seed: 3, dataset }],
    ['a search in stages', 'search', { method: 'stacnas', settings: { ...tinySettings, epochs: 1 }, dataset }],
    ['a training', 'train', { genotype: genotypes['DARTS_V2'], settings: trained, dataset }],
    [
      'a search that a training follows',
      'search',
      { settings: { ...tinySettings, epochs: 1 }, training: { settings: trained }, dataset },
    ],
    ['a search of MNIST', 'search', { dataset: 'mnist', limit: 32, settings: { ...tinySettings, epochs: 1 } }],
  ])('of %s', async (_, command, options) => {
    await onEngine(async (device) => {
      const out = join(scratch(), 'run');
      await begin(command, { ...options, device, out });
      const own = typeof options.dataset === 'object' ? { dataset } : {};
      const result = await repeatRun({ run: out, ...own, backend: 'cpu', threads: 1 }).result;
      expect(result).toMatchObject({ same: true, whole: true, hints: [], run: out, directory: `${out}-repeated` });
      expect(result.records).toBeGreaterThan(5);
      expect(result.files).toBeGreaterThan(2);
      expect(Object.keys(contentsOf(`${out}-repeated`))).toEqual(Object.keys(contentsOf(out)));
    });
  });

  it('of a selection', async () => {
    await onEngine(async (device) => {
      const folder = scratch();
      const space = { name: 'tiny', nodes: 2, candidates: ['none', 'skip_connect', 'avg_pool_3x3'] };
      const run = join(folder, 'search');
      await begin('search', { dataset, space, settings: { ...tinySettings, epochs: 1 }, device, out: run });
      const out = join(folder, 'selection');
      await begin('select', { run, dataset, space, settings: { projIntv: 1 }, device, out });
      expect(await again(out, { space, device })).toMatchObject({ same: true, whole: true, files: 3 });
      await expect(again(out, { device, out: join(folder, 'b') })).rejects.toThrow(/a space of its own, 'tiny'/);
      writeFileSync(join(run, 'checkpoint.safetensors'), 'another');
      const changed = again(out, { space, device, out: join(folder, 'c') });
      await expect(changed).rejects.toThrow(/has changed since the selection began with it: it cannot be repeated/);
      expect(existsSync(join(folder, 'c'))).toBe(false);
    });
  });
});

describe('what differs', () => {
  it('is told at the beginning where config.json was changed', async () => {
    const run = await searched();
    change(join(run, 'config.json'), '"seed": 0', '"seed": 7');
    const { same, difference, hints } = await again(run);
    expect(same).toBe(false);
    expect(difference).toEqual({
      ...{ file: 'journal.jsonl', record: 'start', epoch: 0, step: 0 },
      ...{ field: 'seed', original: 0, repeated: 7 },
    });
    expect(hints).toEqual([expect.stringContaining('config.json tells another run than its journal')]);
  });

  it('is told by epoch, step and field, with both values', async () => {
    const run = await searched();
    const journal = join(run, 'journal.jsonl');
    change(journal, /("epoch":1,"epochs":2,"step":1,"steps":3,"loss":)([^,]+)/, '$17');
    const { difference, hints } = await again(run);
    expect(difference).toMatchObject({ record: 'step', epoch: 1, step: 1, field: 'loss', original: 7 });
    expect(difference?.repeated).toBeTypeOf('number');
    expect(differenceText(difference!)).toMatch(/^in journal.jsonl at epoch 2, step 2: loss was 7 and is [\d.]+$/);
    expect(hints).toEqual([expect.stringContaining('device and versions are the same')]);
  });

  it('is told within tables of alpha', async () => {
    const run = await searched();
    change(
      join(run, 'journal.jsonl'),
      /("type":"alpha","epoch":1,"tables":\{"alphas_normal":\[\[[^,]+,)([^,]+)/,
      '$19',
    );
    expect((await again(run)).difference).toMatchObject({
      ...{ record: 'alpha', epoch: 1 },
      ...{ field: 'tables.alphas_normal[0][1]', original: 9 },
    });
  });

  it('is told of a line that is damaged, gone or too many', async () => {
    const run = await searched();
    const journal = join(run, 'journal.jsonl');
    const whole = readFileSync(journal, 'utf8');
    const lines = whole.trimEnd().split('\n');
    const repeated = `${run}-repeated`;
    await again(run);
    const outcome = async (changed: readonly string[]) => {
      writeFileSync(journal, `${changed.join('\n')}\n`);
      return (await again(run, { out: repeated })).difference;
    };
    expect(await outcome(lines.with(4, '{"type":'))).toMatchObject({
      field: 'record',
      original: undefined,
      repeated: 'step',
    });
    expect(await outcome(lines.toSpliced(4, 1))).toMatchObject({ field: 'step', original: 2, repeated: 1 });
    expect(await outcome([...lines.slice(0, -2), lines.at(-1)!])).toMatchObject({ record: 'result' });
    writeFileSync(journal, whole);
    expect(await again(run, { out: repeated })).toMatchObject({ same: true });
  });

  it('is told of weights by tensor and place, of other files by byte, and of one that is gone', async () => {
    const run = await searched();
    const repeated = `${run}-repeated`;
    await again(run);
    const checkpoint = join(repeated, 'checkpoint.safetensors');
    const bytes = readFileSync(join(run, 'checkpoint.safetensors'));
    const flipped = Buffer.from(bytes);
    flipped[flipped.length - 2] ^= 1;
    writeFileSync(join(run, 'checkpoint.safetensors'), flipped);
    const { difference } = await again(run);
    expect(difference).toMatchObject({ file: 'checkpoint.safetensors', original: expect.any(Number) });
    expect(difference?.field).toMatch(/^[\w.]+\[\d+\]$/);
    writeFileSync(join(run, 'checkpoint.safetensors'), bytes.subarray(0, 99));
    expect((await again(run)).difference).toMatchObject({
      file: 'checkpoint.safetensors',
      field: 'byte 99',
      original: undefined,
    });
    writeFileSync(join(run, 'checkpoint.safetensors'), readFileSync(checkpoint));
    change(join(run, 'genotype.json'), '{', '[');
    expect((await again(run)).difference).toMatchObject({ file: 'genotype.json', field: 'byte 0' });
  });

  it('has hints of devices, instruction sets and versions, but not of threads', async () => {
    const run = await searched();
    const config = join(run, 'config.json');
    change(config, '"fake"', '"cpu (avx2, 2 threads)"');
    change(config, /"dartsmith": "[^"]+"/, '"dartsmith": "0.0.1"');
    change(join(run, 'journal.jsonl'), /"loss":[^,]+/, '"loss":7');
    const { hints } = await again(run);
    expect(hints).toEqual([
      'it ran on cpu (avx2, 2 threads), the repetition on fake: they agree to round-off',
      expect.stringMatching(/^it ran with dartsmith 0\.0\.1, the repetition with /),
    ]);
  });

  it('is not what a later version tells beside what there was', async () => {
    const run = await searched();
    const journal = join(run, 'journal.jsonl');
    change(journal, '"unrolled":false,', '');
    expect((await again(run)).difference).toMatchObject({
      field: 'settings.unrolled',
      original: undefined,
      repeated: false,
    });
    change(journal, /"versions":\{"dartsmith":"[^"]+"/, '"versions":{"dartsmith":"0.0.1"');
    expect(await again(run)).toMatchObject({ same: true });
  });

  it('is neither place, clock, device, version nor how often the run went on', async () => {
    const run = await stoppedAt(5);
    await search({ resume: run, dataset, device: createFakeDevice() }).result;
    const config = join(run, 'config.json');
    change(config, '"fake"', '"cpu (avx2, 2 threads)"');
    change(config, /"dartsmith": "[^"]+"/, '"dartsmith": "0.0.1"');
    expect(await again(run)).toMatchObject({ same: true, whole: true });
  });

  it('has a hint where another device went on, but not where other threads did', async () => {
    const run = await stoppedAt(5);
    await search({ resume: run, dataset, device: createFakeDevice() }).result;
    const config = join(run, 'config.json');
    const { devices, ...rest } = JSON.parse(readFileSync(config, 'utf8'));
    const later = (device: string) => ({ ...devices[0], device, epoch: 1 });
    const others = ['fake, 2 threads', 'fake, 3 threads', 'cpu (avx2, 2 threads)'].map(later);
    writeFileSync(config, JSON.stringify({ ...rest, devices: [...devices, ...others] }));
    change(join(run, 'journal.jsonl'), /"loss":[^,]+/, '"loss":7');
    expect((await again(run)).hints).toEqual(['it went on with cpu (avx2, 2 threads) at epoch 2']);
  });
});

describe('a run that was interrupted', () => {
  it.each([
    [2, 'at a step'],
    [3, 'at the end of an epoch'],
    [5, 'at a step of the second epoch'],
  ])('at call %i, %s, is repeated as far as it went', async (call) => {
    const run = await stoppedAt(call);
    const result = await again(run);
    expect(result).toMatchObject({ same: true, whole: false, files: 0 });
    expect(result.records).toBe(readFileSync(join(run, 'journal.jsonl'), 'utf8').trimEnd().split('\n').length);
    // Not to the end.
    expect(readFileSync(join(`${run}-repeated`, 'journal.jsonl'), 'utf8')).not.toContain('"type":"result"');
  });

  it('behind a rollback, which takes moments back, is not taken for shorter', async () => {
    const run = join(scratch(), 'run');
    const at = (type: string, epoch: number, step?: number) => ({ type, epoch, step }) as never;
    const moments = [at('step', 0, 0), at('epoch', 0), at('step', 1, 0), at('step', 0, 0)];
    writeJournal(run, [at('start', 0, 0), ...moments.toSpliced(3, 0, at('decision', 0))]);
    const reach = await reachOf(run);
    expect(reach).toMatchObject({ moments: 4, whole: false });
    expect(await reachOf(run, reach.end - 1)).toMatchObject({ moments: 3 });
    const reaching = new Reaching(run, reach);
    expect([at('start', 0, 0), ...moments].map((event) => reaching.take(event))).toEqual([
      ...[false, false, false, false, true],
    ]);
    // One that goes on counts what its journal tells already.
    const gone = new Reaching(run, { ...reach, moments: 5 });
    expect(gone.take({ type: 'start', resumed: { epoch: 0, step: 1 } } as never)).toBe(false);
    expect(gone.take(at('step', 0, 1))).toBe(false);
    await vi.waitFor(() => expect(gone.take(at('genotype', 0))).toBe(true));
  });

  it('in the training behind its search is repeated as far as that went', async () => {
    const run = await searched({ training: { settings: trained } });
    change(join(run, 'train', 'journal.jsonl'), /\{"type":"epoch","epoch":1[\s\S]*$/, '');
    expect(await again(run)).toMatchObject({ same: true, whole: false });
    rmSync(join(run, 'train'), { recursive: true });
    expect(await again(run, { out: `${run}-more` })).toMatchObject({ same: true, whole: false });
  });
});

describe('a repetition', () => {
  it('that was interrupted goes on', async () => {
    const run = await searched();
    const controller = new AbortController();
    const device = createFakeDevice({ before: (at) => at === 5 && controller.abort() });
    await expect(again(run, { device, signal: controller.signal })).rejects.toThrow(AbortedError);
    const events: { readonly type: string; readonly resumed?: object }[] = [];
    const going = repeatRun({ run, dataset, device: createFakeDevice() });
    for await (const event of going) events.push(event);
    expect(events[0]).toMatchObject({ type: 'start', resumed: { epoch: 1 } });
    expect(await going.result).toMatchObject({ same: true, whole: true });
  });

  it('takes no folder of another run, nor the run itself', async () => {
    const run = await searched();
    const other = await searched({ seed: 5 });
    await expect(again(run, { out: other })).rejects.toThrow(/holds another run than .*: choose another folder/);
    await expect(again(run, { out: `${run}/` })).rejects.toThrow(ArgumentError);
    expect(await again(run, { out: join(scratch(), 'deep', 'er') })).toMatchObject({ same: true });
  });

  it('leaves the run as it was', async () => {
    const run = await searched();
    const before = contentsOf(run);
    const lock = await takeLock(run);
    expect(await again(run)).toMatchObject({ same: true });
    await lock.release();
    expect(contentsOf(run)).toEqual(before);
  });

  it('of a run that goes on meanwhile is held to what that had told when it began', async () => {
    const run = await stoppedAt(5);
    const journal = join(run, 'journal.jsonl');
    const told = readFileSync(journal, 'utf8').trimEnd().split('\n').length;
    const going = repeatRun({ run, dataset, device: createFakeDevice() });
    for await (const { type } of going) {
      if (type === 'step') appendFileSync(journal, '{"type":"step","epoch":7,"step":0}\n');
    }
    expect(await going.result).toMatchObject({ same: true, whole: false, records: told });
  });

  it('is the same where either died before its first record', async () => {
    const run = await searched();
    for (const directory of [run, `${run}-repeated`]) {
      if (directory !== run) cpSync(run, directory, { recursive: true });
      for (const name of readdirSync(directory)) {
        if (name !== 'config.json') rmSync(join(directory, name), { recursive: true });
      }
      await search({ resume: directory, dataset, device: createFakeDevice() }).result;
      expect(await again(run)).toMatchObject({ same: true, whole: true });
      rmSync(`${run}-repeated`, { recursive: true });
    }
  });

  it('writes event files where it is told to', async () => {
    const run = await searched();
    expect(await again(run, { tensorboard: true })).toMatchObject({ same: true });
    expect(existsSync(join(`${run}-repeated`, 'tensorboard'))).toBe(true);
  });
});

describe('what cannot be repeated', () => {
  it('are other data than the run had: nothing is run', async () => {
    const run = await searched();
    const device = createFakeDevice();
    await expect(again(run, { dataset: { ...tinyDataset(9), test: dataset.test }, device })).rejects.toThrow(
      /config\.json expects other images or another normalisation: dataset 'tiny' has changed/,
    );
    expect(device.calls).toEqual([]);
    expect(existsSync(`${run}-repeated`)).toBe(false);
  });

  it('is a dataset of its own that is not given again', async () => {
    const run = await searched();
    await expect(again(run, { dataset: undefined })).rejects.toThrow(
      /a dataset of its own, 'tiny': repeat it .* repeatRun/,
    );
  });

  it('is a network that is another now', async () => {
    const run = await searched();
    change(join(run, 'config.json'), /"supernet": "[^"]+"/, '"supernet": "0"');
    await expect(again(run)).rejects.toThrow(/expects another supernet/);
  });

  it.each<[string, (config: string) => void, RegExp]>([
    [
      'a run of a newer version',
      (config) => change(config, /"format": \d+/, '"format": 99'),
      /another version wrote this run/,
    ],
    ['a method that there is not', (config) => change(config, '"darts"', '"unheard"'), /expected a method among/],
    ['a damaged configuration', (config) => writeFileSync(config, '{'), /is damaged/],
    ['a folder without a run', (config) => rmSync(config), /holds no run/],
    ['a journal that is gone', (config) => rmSync(join(config, '..', 'journal.jsonl')), /holds no journal/],
  ])('is %s', async (_, spoil, message) => {
    const run = await searched();
    spoil(join(run, 'config.json'));
    const failed = again(run);
    await expect(failed).rejects.toThrow(FileError);
    await expect(failed).rejects.toThrow(message);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'runs/mine'],
    ['no run', {}],
    ['a run that is no text', { run: 7 }],
    ['an option that there is not', { run: 'x', seed: 1 }],
    ['a named dataset', { run: 'x', dataset: 'mnist' }],
  ])('is %s', async (_, options) => {
    await expect(repeatRun(options as RepeatOptions).result).rejects.toThrow(ArgumentError);
  });

  it('is a path with a NUL character', async () => {
    await expect(again('a\0b')).rejects.toThrow(FileError);
  });
});

describe('data in files', () => {
  const images = (count: number) => ({
    'train-images-idx3-ubyte': idxImages(count, 8, 8),
    'train-labels-idx1-ubyte': idxLabels(Array.from({ length: count }, (_, i) => i % 4)),
    't10k-images-idx3-ubyte': idxImages(8, 8, 8),
    't10k-labels-idx1-ubyte': idxLabels([0, 1, 2, 3, 0, 1, 2, 3]),
  });

  it('that have moved are found by dataDir', async () => {
    const folder = join(scratch(), 'data');
    cpSync(folderOf(images(40)), folder, { recursive: true });
    const run = await searched({ dataset: 'idx', dataDir: folder, limit: 32 });
    const moved = join(scratch(), 'moved');
    mkdirSync(join(moved, '..'), { recursive: true });
    renameSync(folder, moved);
    const gone = again(run, { dataset: undefined });
    await expect(gone).rejects.toThrow(DataError);
    await expect(gone).rejects.toThrow(/dataDir \(--data-dir\) says where the data lie now/);
    expect(await again(run, { dataset: undefined, dataDir: moved })).toMatchObject({ same: true, whole: true });
    const other = again(run, { dataset: undefined, dataDir: folderOf(images(41)), out: `${run}-other` });
    await expect(other).resolves.toMatchObject({ same: true });
    writeFileSync(join(moved, 'train-labels-idx1-ubyte'), idxLabels(Array.from({ length: 40 }, () => 1)));
    await expect(again(run, { dataset: undefined, dataDir: moved, out: `${run}-changed` })).rejects.toThrow(
      /has changed/,
    );
    expect(existsSync(`${run}-changed`)).toBe(false);
  });

  it('may be texts', async () => {
    const dataDir = writeTinyText(join(scratch(), 'text'));
    const run = join(scratch(), 'run');
    const device = await openDevice({ backend: 'cpu', threads: 1 });
    await begin('search', { dataset: 'text', dataDir, settings: tinyTextSettings, device, out: run });
    expect(await repeatRun({ run, device }).result).toMatchObject({ same: true, whole: true });
    device.dispose();
  });
});
