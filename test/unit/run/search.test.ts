import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { ImageArrays } from '../../../src/data/dataset.ts';
import { AbortedError, ArgumentError, BackendError, DivergedError, FileError } from '../../../src/errors.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { parseGenotype } from '../../../src/genotype/text.ts';
import { buildSupernet } from '../../../src/network/supernet.ts';
import { costOf } from '../../../src/report/cost.ts';
import { makeRunDirectory } from '../../../src/run/directory.ts';
import type { SearchEvent } from '../../../src/run/events.ts';
import { thisHolder } from '../../../src/run/holder.ts';
import type { SearchOptions } from '../../../src/search.ts';
import { type SearchRun, search } from '../../../src/search.ts';
import { train } from '../../../src/train.ts';
import { createFakeDevice, type FakeOptions } from '../../helpers/fake_device.ts';
import { contentsOf as contents } from '../../helpers/run_contents.ts';
import { scratch } from '../../helpers/scratch.ts';
import { tinyDataset, tinySettings } from '../../helpers/tiny_search.ts';
import { folderOf, idxImages, idxLabels } from '../data/fixtures.ts';

const opened = vi.hoisted(() => ({ options: [] as unknown[], disposed: 0 }));

vi.mock('../../../src/backend/open.ts', async (importOriginal) => ({
  ...(await importOriginal<typeof import('../../../src/backend/open.ts')>()),
  openDevice: async (options: unknown) => {
    opened.options.push(options);
    return { ...createFakeDevice(), dispose: () => opened.disposed++ };
  },
}));

// Graphviz has its own tests and would take most of the time here.
vi.mock('../../../src/report/draw.ts', () => ({
  drawGenotype: async (genotype: unknown) => `<svg>${JSON.stringify(genotype)}</svg>`,
}));

// Each of the two epochs takes three calls for its steps and one for its validation.
const callsPerEpoch = 4;

function start(options: SearchOptions = {}, fake: FakeOptions = {}): SearchRun {
  return search({ dataset: tinyDataset(), settings: tinySettings, device: createFakeDevice(fake), ...options });
}

/** A run that is aborted at a call of its device. */
async function stopAt(call: number, options: SearchOptions): Promise<void> {
  const controller = new AbortController();
  const before = (at: number) => at === call && controller.abort();
  await expect(start({ ...options, signal: controller.signal }, { before }).result).rejects.toThrow(AbortedError);
}

function resume(directory: string, options: SearchOptions = {}, fake: FakeOptions = {}): SearchRun {
  return search({ resume: directory, dataset: tinyDataset(), device: createFakeDevice(fake), ...options });
}

async function eventsOf(run: SearchRun): Promise<SearchEvent[]> {
  const events: SearchEvent[] = [];
  for await (const event of run) events.push(event);
  return events;
}

/** Not the lock, which is gone when the run has ended. */
const isKept = (path: string) => !path.endsWith('lock.json');

async function uninterrupted(options: SearchOptions = {}): Promise<Record<string, string>> {
  const out = join(scratch(), 'run');
  await start({ out, ...options }).result;
  return contents(out);
}

describe('search', () => {
  it('begins by telling what it works on', async () => {
    const out = join(scratch(), 'run');
    const dataset = { ...tinyDataset(), notices: ['a batch is missing'] };
    const [first] = await eventsOf(start({ out, dataset, seed: 3, settings: { ...tinySettings, trainPortion: 0.6 } }));
    const graph = buildSupernet({ inputShape: [8, 8, 1], classes: 3, initChannels: 2, layers: 3 }).graph;
    expect(first).toEqual({
      type: 'start',
      run: 'search',
      method: 'darts',
      dataset: 'tiny',
      notices: ['a batch is missing'],
      trainImages: 24,
      validationImages: 16,
      imageShape: [8, 8, 1],
      classes: 3,
      space: 'darts',
      layers: 3,
      parameters: costOf(graph).parameters,
      device: 'fake',
      seed: 3,
      epochs: 2,
      steps: 3,
      directory: out,
    });
    expect((await eventsOf(resume(out)))[0]).toEqual({ ...first, notices: [], resumed: { epoch: 2, step: 0 } });
    expect((await eventsOf(start()))[0]).not.toHaveProperty('directory', out);
  });

  it('reports steps, then the epoch, its genotype and a checkpoint', async () => {
    const out = join(scratch(), 'new', 'run');
    const run = start({ out });
    const events = await eventsOf(run);
    const epoch = ['step', 'step', 'step', 'epoch', 'genotype', 'checkpoint'];
    expect(events.shift()?.type).toBe('start');
    expect(events.map(({ type }) => type)).toEqual([...epoch, ...epoch]);
    expect(events[4 + 6]).toMatchObject({ type: 'genotype', epoch: 1 });
    expect(events[7]).toMatchObject({ type: 'step', epoch: 1, epochs: 2, step: 1, steps: 3 });
    expect(events[11]).toEqual({ type: 'checkpoint', epoch: 2, step: 0, file: join(out, 'checkpoint.safetensors') });
    const result = await run.result;
    expect(result.directory).toBe(out);
    expect(result.genotype).toEqual(events[10].type === 'genotype' && events[10].genotype);
    expect(Object.values(result.mixing).map((rows) => rows.length)).toEqual([14, 14]);
    for (const row of Object.values(result.mixing).flat()) {
      expect(row.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 12);
    }
  });

  it('writes everything that a run directory holds, and no temporary file', async () => {
    const out = scratch();
    const { genotype } = await start({ out, seed: 5 }).result;
    const names = [
      'cells.svg',
      'checkpoint.safetensors',
      'config.json',
      'genotype.json',
      'genotype.txt',
      'journal.jsonl',
    ];
    expect(readdirSync(out).toSorted()).toEqual(names);
    const config = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'));
    expect(config).toMatchObject({ seed: 5, devices: [{ device: 'fake', epoch: 0, step: 0 }], settings: tinySettings });
    expect(config.dataset).toMatchObject({ name: 'tiny', given: true, imageShape: [8, 8, 1], classes: 3 });
    expect(config.dataset.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(parseGenotype(readFileSync(join(out, 'genotype.txt'), 'utf8'))).toEqual(genotype);
    expect(parseGenotype(readFileSync(join(out, 'genotype.json'), 'utf8'))).toEqual(genotype);
    expect(readFileSync(join(out, 'cells.svg'), 'utf8')).toBe(`<svg>${JSON.stringify(genotype)}</svg>`);
    const lines = readFileSync(join(out, 'journal.jsonl'), 'utf8').trimEnd().split('\n');
    const epoch = ['step', 'step', 'step', 'epoch', 'genotype', 'alpha'];
    expect(lines.map((line) => JSON.parse(line).type)).toEqual([
      'start',
      'layout',
      'alpha',
      ...epoch,
      ...epoch,
      'result',
    ]);
  });

  it('counts the means of an epoch over its images', async () => {
    const events = await eventsOf(start());
    const steps = events.filter((event) => event.type === 'step').slice(0, 3);
    const epoch = events.find((event) => event.type === 'epoch')!;
    const mean = (values: number[]) => (8 * values[0] + 8 * values[1] + 4 * values[2]) / 20;
    expect(epoch.trainLoss).toBeCloseTo(mean(steps.map(({ loss }) => loss)), 12);
    expect(epoch.trainAccuracy).toBeCloseTo(mean(steps.map(({ accuracy }) => accuracy)), 12);
    expect(epoch.learningRate).toBe(0.025);
  });

  it('depends on the seed and on nothing else', async () => {
    const first = await uninterrupted();
    expect(await uninterrupted()).toEqual(first);
    const other = await uninterrupted({ seed: 1 });
    expect(other['checkpoint.safetensors']).not.toBe(first['checkpoint.safetensors']);
  });

  it('crosses into the device once a step', async () => {
    const device = createFakeDevice();
    await start({ device }).result;
    expect(device.calls.length).toBe(2 * callsPerEpoch);
    expect(device.calls[0].map(({ kind }) => kind)).toEqual(['gradients', 'adam', 'gradients', 'sgd']);
    const adam = device.calls.flat().filter(({ kind }) => kind === 'adam');
    expect(adam.map((command) => command.kind === 'adam' && command.step)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('writes nothing where the device refuses the precision', async () => {
    const out = join(scratch(), 'run');
    const compile = () => {
      throw new BackendError('no such precision');
    };
    const device = { ...createFakeDevice(), compile };
    await expect(start({ out, device }).result).rejects.toThrow(BackendError);
    expect(existsSync(out)).toBe(false);
  });

  it('tells of a limit beyond the images only where it was given', async () => {
    const files = {
      'train-images-idx3-ubyte': idxImages(6, 8, 8),
      'train-labels-idx1-ubyte': idxLabels([0, 1, 2, 0, 1, 2]),
    };
    const idx = { dataset: 'idx', dataDir: folderOf(files) } as const;
    const notices = async (run: SearchRun) => {
      const [first] = await eventsOf(run);
      return first.type === 'start' && first.notices.filter((notice) => notice.includes('limit'));
    };
    expect(await notices(start(idx))).toEqual([]);
    const out = join(scratch(), 'run');
    expect(await notices(start({ ...idx, limit: 7, out }))).toEqual([
      'the limit of 7 is more than the 6 training images there are: all are used',
    ]);
    expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')).dataset.limit).toBe(7);
    expect(await notices(resume(out, { dataset: undefined }))).toEqual([]);
  });

  it('frees what it opened on a device of the caller that refuses the precision', async () => {
    const freed = vi.fn();
    const fake = createFakeDevice();
    const device = {
      ...fake,
      createDataset: (arrays: ImageArrays) => ({
        ...fake.createDataset(arrays),
        dispose: freed,
        [Symbol.dispose]: freed,
      }),
      compile: () => {
        throw new BackendError('no such precision');
      },
    };
    await expect(start({ device }).result).rejects.toThrow('no such precision');
    expect(freed).toHaveBeenCalledTimes(1);
    const dataset = { ...tinyDataset(), test: tinyDataset(2).train };
    const { layers, initChannels } = tinySettings;
    const training = train({
      device,
      dataset,
      genotype: genotypes.DARTS_V2,
      settings: { layers, initChannels, auxiliary: false },
    });
    await expect(training.result).rejects.toThrow('no such precision');
    expect(freed).toHaveBeenCalledTimes(3);
  });

  it('opens and disposes the device when none is given', async () => {
    await search({ dataset: tinyDataset(), settings: { ...tinySettings, epochs: 1 }, backend: 'cpu', threads: 2 })
      .result;
    expect(opened).toEqual({ options: [{ backend: 'cpu', threads: 2 }], disposed: 1 });
    await search({ dataset: tinyDataset(), settings: { ...tinySettings, epochs: 1 }, index: 3 }).result;
    expect(opened.options[1]).toEqual({ index: 3 });
  });

  it.each<[SearchOptions, RegExp]>([
    [{ seed: -1 }, /seed/],
    [{ seed: 0.5 }, /seed/],
    [{ checkpointSeconds: -1 }, /checkpointSeconds/],
    [{ checkpointSeconds: Number.NaN }, /checkpointSeconds/],
    [{ settings: { epochs: 0 } }, /epochs/],
    [{ limit: 10 }, /limit/],
    [{ dataDir: 'x' }, /dataDir/],
    [{ threads: 2 }, /threads cannot be given with device/],
    [{ index: 1 }, /index cannot be given with device/],
    [{ memoryLimitBytes: 1e9 }, /memoryLimitBytes cannot be given with device/],
    [{ out: '' }, /out/],
    [{ space: 'nowhere' }, /space/],
  ])('refuses %j through the run', async (options, message) => {
    const run = start(options);
    await expect(run.result).rejects.toThrow(ArgumentError);
    await expect(run.result).rejects.toThrow(message);
  });

  it('throws one error through iteration alone, without an unhandled rejection', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    await expect(eventsOf(start({ seed: -1 }))).rejects.toThrow(ArgumentError);
    await new Promise((resolve) => setTimeout(resolve, 5));
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });
});

describe('resume', () => {
  it.each([
    ['first order', {}],
    ['second order', { unrolled: true, cutout: true, cutoutLength: 3 }],
  ])('after a signal at any step gives the same bytes (%s)', async (_, changes) => {
    const settings = { ...tinySettings, ...changes };
    const whole = await uninterrupted({ settings });
    for (let stop = 0; stop < 2 * callsPerEpoch; stop++) {
      const out = join(scratch(), 'run');
      const controller = new AbortController();
      const abort = (call: number) => call === stop && controller.abort();
      const run = start({ out, settings, signal: controller.signal }, { before: abort });
      await expect(eventsOf(run), `call ${stop}`).rejects.toMatchObject({ code: 'ABORTED' });
      await resume(out).result;
      expect(contents(out), `call ${stop}`).toEqual(whole);
    }
  });

  it.each([0, Number.POSITIVE_INFINITY])(
    'after a kill at any call gives the same bytes (checkpoint seconds %d)',
    async (seconds) => {
      const whole = await uninterrupted();
      const folder = scratch();
      const out = join(folder, 'run');
      const snapshot = (call: number) => cpSync(out, join(folder, `killed-${call}`), { recursive: true });
      await start({ out, checkpointSeconds: seconds }, { before: snapshot }).result;
      for (let call = 0; call < 2 * callsPerEpoch; call++) {
        const killed = join(folder, `killed-${call}`);
        await resume(killed, { checkpointSeconds: seconds }).result;
        expect(contents(killed), `call ${call}`).toEqual(whole);
      }
    },
  );

  it('goes on where it was, and returns at once from the end', async () => {
    const out = join(scratch(), 'run');
    await stopAt(4, { out });
    const events = await eventsOf(resume(out));
    expect(events[0]).toMatchObject({ type: 'start', resumed: { epoch: 1, step: 1 } });
    expect(events[1]).toMatchObject({ type: 'step', epoch: 1, step: 1 });
    const device = createFakeDevice();
    const again = resume(out, { device });
    expect((await eventsOf(again)).map(({ type }) => type)).toEqual(['start']);
    expect(device.calls).toEqual([]);
    const epoch = events.find((event) => event.type === 'epoch')!;
    expect(await again.result).toMatchObject({ validationLoss: epoch.validationLoss, directory: out });
  });

  it('goes on with a run of format 5, whose lines were in metrics.jsonl', async () => {
    const whole = await uninterrupted();
    const out = join(scratch(), 'run');
    await stopAt(5, { out });
    const { command, method: _, graphs, ...config } = JSON.parse(whole['config.json']);
    const space = { ...config.space, graphDigest: graphs.supernet };
    writeFileSync(join(out, 'config.json'), JSON.stringify({ ...config, format: 5, kind: command, space }));
    renameSync(join(out, 'journal.jsonl'), join(out, 'metrics.jsonl'));
    await resume(out).result;
    expect(contents(out)['checkpoint.safetensors']).toBe(whole['checkpoint.safetensors']);
    // What lies behind it stays where it was told.
    const [first] = readFileSync(join(out, 'journal.jsonl'), 'utf8').split('\n');
    expect(JSON.parse(first)).toMatchObject({ type: 'start', resumed: true, epoch: 1, step: 2 });
  });

  it('sweeps temporary files of a killed writer', async () => {
    const out = join(scratch(), 'run');
    await start({ out }).result;
    const draft = join(out, '.checkpoint.safetensors.01234567-89ab-cdef-0123-456789abcdef.tmp');
    writeFileSync(draft, 'half');
    await resume(out).result;
    expect(existsSync(draft)).toBe(false);
  });

  it.each<[string, SearchOptions, RegExp]>([
    ['settings', { settings: { epochs: 3 } }, /settings cannot be given with resume/],
    ['seed', { seed: 1 }, /seed cannot be given/],
    ['out', { out: 'x' }, /out cannot be given/],
    ['preset', { preset: 'paper' }, /preset cannot be given/],
    ['a space', { space: 'darts' }, /space cannot be given/],
    [
      'no dataset of its own',
      { dataset: undefined },
      /dataset of its own, 'tiny': resume it from a program that gives it again/,
    ],
  ])('refuses %s', async (_, options, message) => {
    const out = join(scratch(), 'run');
    await start({ out }).result;
    const run = resume(out, options);
    await expect(run.result).rejects.toThrow(ArgumentError);
    await expect(run.result).rejects.toThrow(message);
  });

  it('refuses the same labels under other names of classes', async () => {
    const out = join(scratch(), 'run');
    const named = (classNames: string[]) => ({ ...tinyDataset(), classNames });
    await start({ out, dataset: named(['cat', 'dog', 'fox']), settings: { ...tinySettings, epochs: 1 } }).result;
    await expect(resume(out, { dataset: named(['dog', 'fox', 'cat']) }).result).rejects.toThrow(
      'config.json expects the classes cat, dog, fox, found dog, fox, cat',
    );
  });

  it('refuses other images and a changed space', async () => {
    const out = join(scratch(), 'run');
    const space = { name: 'mine', nodes: 2, candidates: ['none', 'skip_connect', 'max_pool_3x3'] };
    await start({ out, space }).result;
    await expect(resume(out, { space, dataset: tinyDataset(2) }).result).rejects.toThrow(
      /expects other images or another normalisation: dataset 'tiny' has changed/,
    );
    await expect(resume(out, { space, dataset: { ...tinyDataset(), mean: [0.4] } }).result).rejects.toThrow(
      /expects other images or another normalisation/,
    );
    await expect(resume(out).result).rejects.toThrow(/space of its own, 'mine'/);
    const changed = { ...space, candidates: ['none', 'skip_connect', 'avg_pool_3x3'] };
    await expect(resume(out, { space: changed }).result).rejects.toThrow(/expects another supernet/);
    await resume(out, { space }).result;
  });

  it('refuses damaged files and leaves them as they are', async () => {
    const out = join(scratch(), 'run');
    await start({ out }).result;
    const whole = contents(out);
    const checkpoint = join(out, 'checkpoint.safetensors');
    const bytes = readFileSync(checkpoint);
    const spoil = async (file: string, data: Uint8Array | string, message: RegExp) => {
      writeFileSync(file, data);
      await expect(resume(out).result).rejects.toThrow(FileError);
      await expect(resume(out).result).rejects.toThrow(message);
    };
    await spoil(checkpoint, bytes.subarray(0, -1), /not a whole safetensors file/);
    const edited = (from: string, to: string) => Buffer.from(bytes.toString('latin1').replace(from, to), 'latin1');
    await spoil(checkpoint, edited('"epoch":"2"', '"epoch":"7"'), /does not fit its run/);
    await spoil(checkpoint, edited('"epoch":"2"', '"epoch":"x"'), /metadata epoch but got x/);
    await spoil(checkpoint, edited('optimizer.momentum', 'optimizer.momentun'), /missing optimizer.momentum/);
    writeFileSync(checkpoint, bytes);
    await spoil(join(out, 'config.json'), '{', /config.json is damaged/);
    writeFileSync(join(out, 'config.json'), whole['config.json']);
    expect(contents(out)).toEqual(whole);
    rmSync(join(out, 'config.json'));
    await expect(resume(out).result).rejects.toThrow(/holds no run: there is no config.json/);
    await expect(resume(checkpoint).result).rejects.toThrow(`${checkpoint} is a file: expected the folder of a run`);
  });
});

describe('a run directory', () => {
  it('is resumed by one run at a time, which records each step once', async () => {
    const whole = await uninterrupted();
    const out = join(scratch(), 'run');
    await stopAt(2, { out });
    const both = await Promise.allSettled([resume(out).result, resume(out).result]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const refused = both.find((one) => one.status === 'rejected');
    expect(refused?.reason).toBeInstanceOf(FileError);
    expect(refused?.reason.message).toContain(`${out} is in use by process ${process.pid} on `);
    expect(contents(out)).toEqual(whole);
  });

  it('is begun by one of two that start at once', async () => {
    const out = join(scratch(), 'run');
    const both = await Promise.allSettled([start({ out }).result, start({ out }).result]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const refused = both.find((one) => one.status === 'rejected');
    expect(refused?.reason.message).toMatch(/is in use by process|holds a run already/);
    expect(contents(out)).toEqual(await uninterrupted());
  });

  it('that a killed process held is taken over, which the start tells', async () => {
    const out = join(scratch(), 'run');
    await start({ out }).result;
    const lock = { ...thisHolder(), token: '00000001-0000-0000-0000-000000000000', started: '1' };
    writeFileSync(join(out, 'lock.json'), JSON.stringify(lock));
    const [first] = await eventsOf(resume(out));
    expect(first).toMatchObject({ notices: [expect.stringContaining('the lock was taken over')] });
    expect(existsSync(join(out, 'lock.json'))).toBe(false);
  });

  it('whose name is free to choose is made by each that asks, under a name of its own', async () => {
    const base = join(scratch(), 'runs', 'mnist-1');
    const made = await Promise.all(Array.from({ length: 5 }, () => makeRunDirectory(base)));
    expect(made.toSorted()).toEqual([base, ...[2, 3, 4, 5].map((count) => `${base}-${count}`)]);
    expect(readdirSync(join(base, '..'))).toHaveLength(5);
    writeFileSync(join(base, 'file'), '');
    await expect(makeRunDirectory(join(base, 'file', 'x'))).rejects.toThrow(FileError);
  });
});

describe('data that lie elsewhere when a run is resumed', () => {
  const labels = Array.from({ length: 40 }, (_, i) => i % 3);
  const files = (shade: number) => ({
    'train-images-idx3-ubyte': idxImages(40, 8, 8).map((byte, i) => (i < 16 ? byte : (byte + shade) & 255)),
    'train-labels-idx1-ubyte': idxLabels(labels),
  });
  const interrupted = async () => {
    const out = join(scratch(), 'run');
    await stopAt(2, { dataset: 'idx', dataDir: folderOf(files(0)), out });
    const { dataDir } = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')).dataset;
    rmSync(dataDir, { recursive: true });
    return { out, dataDir: dataDir as string };
  };

  it('are named by dataDir, which config.json tells from then on', async () => {
    const { out } = await interrupted();
    const moved = folderOf(files(0));
    await resume(out, { dataset: undefined, dataDir: relative('.', moved) }).result;
    expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')).dataset.dataDir).toBe(moved);
    await resume(out, { dataset: undefined }).result;
  });

  it('are refused where they are others, and missed with a hint', async () => {
    const { out, dataDir } = await interrupted();
    const others = folderOf(files(1));
    await expect(resume(out, { dataset: undefined, dataDir: others }).result).rejects.toThrow(
      `expects other images or another normalisation: dataset 'idx' in ${others} has changed`,
    );
    expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')).dataset.dataDir).toBe(dataDir);
    await expect(resume(out, { dataset: undefined }).result).rejects.toThrow(
      /dataDir \(--data-dir\) says where the data lie now/,
    );
    await expect(resume(out, { dataDir: others }).result).rejects.toThrow(/nothing beside a dataset of your own/);
  });
});

describe('the reason of an abort', () => {
  it.each(['before', 'in a step', 'in a validation'])('is the cause of the error: %s', async (moment) => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const call = { before: -1, 'in a step': 1, 'in a validation': 3 }[moment];
    if (call === -1) controller.abort(reason);
    const run = start({ signal: controller.signal }, { before: (made) => made === call && controller.abort(reason) });
    const error = await run.result.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AbortedError);
    expect((error as AbortedError).cause).toBe(reason);
  });
});

describe('failures', () => {
  it('does not start where a run lies', async () => {
    const out = join(scratch(), 'run');
    await start({ out }).result;
    const whole = contents(out);
    await expect(start({ out }).result).rejects.toThrow(/holds a run already: resume it, or choose another folder/);
    expect(contents(out)).toEqual(whole);
  });

  it('leaves no folder behind where nothing began', async () => {
    const out = join(scratch(), 'run');
    await expect(start({ out, space: 'nowhere' }).result).rejects.toThrow(ArgumentError);
    await expect(start({ out, settings: { ...tinySettings, trainPortion: 0.01 } }).result).rejects.toThrow(
      ArgumentError,
    );
    expect(existsSync(out)).toBe(false);
  });

  it('says when the folder cannot be made', async () => {
    const file = join(scratch(), 'file');
    writeFileSync(file, '');
    await expect(start({ out: file }).result).rejects.toThrow(FileError);
    await expect(start({ out: join(file, 'run') }).result).rejects.toThrow(/a part of the path is a file/);
    // Nothing can be made there, though the folder around it is there.
    if (existsSync('/proc'))
      await expect(start({ out: '/proc/run' }).result).rejects.toThrow('cannot write /proc/run: ');
  });

  it.each(['checkpoint.safetensors', 'genotype.json'])(
    'stops with a clear error when %s cannot be written',
    async (name) => {
      const out = join(scratch(), 'run');
      const block = (call: number) => call === 1 && cpSync(scratch(), join(out, name), { recursive: true });
      await expect(start({ out }, { before: block }).result).rejects.toThrow(
        `cannot write ${join(out, name)}: it is a folder`,
      );
      expect(readdirSync(out).filter((file) => file.endsWith('.tmp'))).toEqual([]);
    },
  );

  it.each<[string, number, string]>([
    ['loss', 2, 'the loss became NaN'],
    ['gradientNorm', 3, 'the gradient norm became Infinity'],
  ])('stops when the %s is no number, and keeps the last good checkpoint', async (field, command, message) => {
    const out = join(scratch(), 'run');
    const folder = scratch();
    const value = field === 'loss' ? Number.NaN : Number.POSITIVE_INFINITY;
    const failing = callsPerEpoch + 1;
    const run = start(
      { out, checkpointSeconds: 0 },
      {
        before: (call) => call === failing && cpSync(out, join(folder, 'good'), { recursive: true, filter: isKept }),
        spoil: (outcomes, call) =>
          call === failing
            ? outcomes.map((outcome, i) => (i === command ? { ...outcome, [field]: value } : outcome))
            : outcomes,
      },
    );
    const error = await run.result.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DivergedError);
    expect(error).toMatchObject({ epoch: 1, step: 1 });
    expect((error as Error).message).toContain(
      `${message} in epoch 1 at step 1 (both from 0); the last good checkpoint was kept`,
    );
    expect(contents(out)).toEqual(contents(join(folder, 'good')));
  });

  it('writes no checkpoint of weights that are no longer finite', async () => {
    const out = join(scratch(), 'run');
    const device = createFakeDevice();
    const spoilt: typeof device = {
      ...device,
      createParameters: async (graph, options) => {
        const parameters = await device.createParameters(graph, options);
        await parameters.set('classifier.bias', Float32Array.of(0, 0, Number.NaN));
        return parameters;
      },
    };
    // Losses that look well, as those of a network whose spoilt weight is not on any path.
    const run = start({
      out,
      device: {
        ...spoilt,
        execute: async (commands) =>
          commands.map((command) => ({
            ...{ loss: 1, correct: 0, gradientNorm: 1 },
            outputs: 'read' in command ? new Map([[command.read?.[0] ?? 0, new Float32Array(60)]]) : undefined,
          })),
      },
    });
    await expect(run.result).rejects.toThrow(/classifier.bias became NaN or infinite in epoch 0 at step 2/);
    expect(existsSync(join(out, 'checkpoint.safetensors'))).toBe(false);
  });

  it('begins nothing when the signal came first', async () => {
    const device = createFakeDevice();
    await expect(start({ device, signal: AbortSignal.abort() }).result).rejects.toMatchObject({ code: 'ABORTED' });
    expect(device.calls).toEqual([]);
  });
});
