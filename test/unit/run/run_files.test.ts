import { appendFileSync, existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileError } from '../../../src/errors.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { presets } from '../../../src/methods/darts/settings.ts';
import { methods } from '../../../src/methods/registry.ts';
import { trainPresets } from '../../../src/methods/train/settings.ts';
import { parseConfig, type RunConfig, runFormat, runVersions } from '../../../src/run/config.ts';
import { runFiles, writeGenotype } from '../../../src/run/directory.ts';
import { EventQueue } from '../../../src/run/event_queue.ts';
import type { EpochEvent, StepEvent } from '../../../src/run/events.ts';
import { openJournal } from '../../../src/run/journal.ts';
import { scratch } from '../../helpers/scratch.ts';

const stepLine = (epoch: number, step: number) => JSON.stringify({ type: 'step', epoch, step });
const epochLine = (epoch: number) => JSON.stringify({ type: 'epoch', epoch });

describe('journal.jsonl', () => {
  const lines = [stepLine(0, 0), stepLine(0, 1), epochLine(0), stepLine(1, 0), stepLine(1, 1), epochLine(1)];

  it.each([
    [0, 0, 0],
    [0, 1, 1],
    [0, 2, 2], // all steps done, validation not
    [1, 0, 3],
    [1, 1, 4],
    [1, 2, 5],
    [2, 0, 6],
  ])('keeps what lies before epoch %i, step %i: %i lines', async (epoch, step, count) => {
    const path = join(scratch(), 'journal.jsonl');
    writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
    const log = await openJournal(path, { stage: 0, epoch, step, updates: 0 });
    await log.append({ type: 'step', epoch: 9 } as StepEvent);
    await log.sync();
    await log.close();
    const kept = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(kept).toEqual([...lines.slice(0, count), '{"type":"step","epoch":9}']);
  });

  it.each(['{"type":"st', 'null\n', '\n', '{"type":"step","epoch":"0"}\n', 'ünfinished'])(
    'drops the torn line %j',
    async (torn) => {
      const path = join(scratch(), 'journal.jsonl');
      writeFileSync(path, `${stepLine(0, 0)}\n${torn}`);
      await (await openJournal(path, { stage: 0, epoch: 5, step: 0, updates: 0 })).close();
      expect(readFileSync(path, 'utf8')).toBe(`${stepLine(0, 0)}\n`);
    },
  );

  it('keeps starts and the stage in which a run goes on', async () => {
    const path = join(scratch(), 'journal.jsonl');
    const start = (epoch: number, step: number, stage?: number) => ({ type: 'start', stage, epoch, step });
    const step = (at: number, stage?: number) => ({ type: 'step', stage, epoch: 0, step: at });
    const kept = [start(0, 0), step(0), { type: 'epoch', epoch: 0 }, { type: 'stage', stage: 1, epoch: 0 }];
    const records = [...kept, start(0, 0, 1), step(0, 1), start(0, 1, 1), step(1, 1), { type: 'result', epoch: 1 }];
    const counts = [
      [0, 0, 0, 1],
      [0, 1, 0, 3],
      [1, 0, 0, 5],
      [1, 0, 1, 7],
      [1, 0, 2, 8],
      [1, 1, 0, 8],
    ];
    for (const [stage, epoch, step, count] of counts) {
      writeFileSync(path, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
      await (await openJournal(path, { stage, epoch, step, updates: 0 })).close();
      expect(readFileSync(path, 'utf8').trimEnd().split('\n'), `${stage}, ${epoch}, ${step}`).toHaveLength(count);
    }
  });

  it('may be longer than any text that Node holds', async () => {
    const path = join(scratch(), 'journal.jsonl');
    const size = 513 * 2 ** 20;
    writeFileSync(path, '');
    // Sparse, so that it costs neither time nor disk.
    truncateSync(path, size);
    appendFileSync(path, `\n${stepLine(7, 8)}\n${stepLine(7, 9)}\n{"torn`);
    await (await openJournal(path, { stage: 0, epoch: 7, step: 9, updates: 0 })).close();
    expect(statSync(path).size).toBe(size + 1 + stepLine(7, 8).length + 1);
  });

  it('says what is in the way', async () => {
    const folder = scratch();
    await expect(openJournal(folder, { stage: 0, epoch: 0, step: 0, updates: 0 })).rejects.toThrow(/it is a folder/);
    const log = await openJournal(join(folder, 'm'), { stage: 0, epoch: 0, step: 0, updates: 0 });
    await log.append({ type: 'epoch' } as EpochEvent);
    await log.close();
    expect(readFileSync(join(folder, 'm'), 'utf8')).toBe('{"type":"epoch"}\n');
  });
});

describe('config.json', () => {
  const config: RunConfig = {
    format: runFormat,
    command: 'search',
    method: 'darts',
    versions: runVersions(),
    devices: [{ device: 'cpu', epoch: 0, step: 0 }],
    seed: 1,
    settings: presets.paper.settings,
    dataset: { name: 'mnist', given: false, limit: 10, imageShape: [28, 28, 1], classes: 10, digest: 'd' },
    space: { name: 'darts', given: false },
    graphs: { supernet: 'g' },
  };
  const parse = (changes: object) =>
    parseConfig(JSON.stringify({ ...config, ...changes }), 'config.json', methods).config;

  it('is read as it was written', () => {
    expect(parse({})).toEqual(config);
    expect(config.versions.dartsmith).toMatch(/^\d+\.\d+\.\d+/);
  });

  const { epochs: _, ...withoutEpochs } = config.settings;
  it.each<[object, RegExp]>([
    [{ format: 1 }, /expected format 7 but got 1/],
    [{ seed: -1 }, /for seed/],
    [{ versions: null }, /for versions/],
    [{ devices: 'cpu' }, /for devices/],
    [{ devices: [] }, /for devices/],
    [{ devices: [3] }, /for devices\[0\]/],
    [{ devices: [{ device: 3, epoch: 0, step: 0 }] }, /for devices\[0\].device/],
    [{ devices: [{ device: 'cpu', epoch: '0', step: 0 }] }, /for devices\[0\].epoch/],
    [{ settings: [] }, /an object for settings/],
    [{ settings: withoutEpochs }, /a value for settings.epochs/],
    [{ settings: { ...config.settings, epochs: 'ten' } }, /epochs.*'ten'/],
    [{ settings: { ...config.settings, colour: 1 } }, /colour/],
    [{ dataset: { ...config.dataset, digest: 1 } }, /a string for dataset.digest/],
    [{ dataset: { ...config.dataset, limit: 'x' } }, /a number for dataset.limit/],
    [{ dataset: { ...config.dataset, dataDir: 1 } }, /a string for dataset.dataDir/],
    [{ dataset: { ...config.dataset, imageShape: [28, 28] } }, /three positive integers for dataset.imageShape/],
    [{ dataset: { ...config.dataset, imageShape: [28, 28, 0] } }, /three positive integers for dataset.imageShape/],
    [{ dataset: { ...config.dataset, classes: undefined } }, /a positive integer for dataset.classes/],
    [{ space: { ...config.space, given: 'no' } }, /a boolean for space.given/],
    [{ space: 'darts' }, /an object for space/],
    [{ command: 'test' }, /one of search, train, select for command/],
    [
      { method: 'other' },
      /expected a method among darts, fairdarts, stacnas, cdarts, sdarts, blank, darts-rnn but got 'other'/,
    ],
    [{ graphs: { supernet: 1 } }, /digests by name for graphs/],
  ])('refuses %j', (changes, message) => {
    expect(() => parse(changes)).toThrow(FileError);
    expect(() => parse(changes)).toThrow(message);
    expect(() => parse(changes)).toThrow('config.json');
  });

  const { space: _space, settings: _settings, ...common } = config;
  const training: RunConfig = {
    ...common,
    command: 'train',
    method: 'train',
    settings: trainPresets.cifar10.settings,
    genotype: genotypes['DARTS_V2'],
    graphs: { network: 'g' },
  };
  const parseTraining = (changes: object) =>
    parseConfig(JSON.stringify({ ...training, ...changes }), 'config.json', methods).config;

  it('of a training is read as it was written', () => {
    expect(parseTraining({})).toEqual(training);
  });

  it.each<[object, RegExp]>([
    [{ settings: config.settings }, /trainPortion/],
    [{ genotype: { normal: 1 } }, /is damaged: /],
    [{ genotype: undefined }, /is damaged: /],
  ])('of a training refuses %j', (changes, message) => {
    expect(() => parseTraining(changes)).toThrow(FileError);
    expect(() => parseTraining(changes)).toThrow(message);
  });

  // 0.2.0 wrote it. Today's defaults of what it did not know are what it did.
  it('of format 6 is read with the settings that it did not have', () => {
    const without = (settings: object, ...names: string[]) =>
      Object.fromEntries(Object.entries(settings).filter(([name]) => !names.includes(name)));
    const later = {
      ...{ scheduleAhead: false, annealEpochs: 0, dropPathUnit: 'published', optimizer: 'sgd', nesterov: false },
      normalisePooling: false,
      keepNone: false,
      smoothScores: false,
      affine: 'off',
      flip: 'usual',
    };
    const settings = without(training.settings, ...Object.keys(later));
    expect(parseTraining({ format: 6, settings })).toEqual({ ...training, settings: { ...settings, ...later } });
    const searched = without(config.settings, 'scheduleAhead');
    expect(parse({ format: 6, settings: searched }).settings).toMatchObject({ ...searched, scheduleAhead: false });
    // What it had must be there.
    expect(() => parseTraining({ format: 6, settings: without(settings, 'emaDecay') })).toThrow(/settings\.emaDecay/);
    expect(() => parse({ format: 6, settings: without(searched, 'unrolled') })).toThrow(/settings\.unrolled/);
    expect(() => parseTraining({ settings })).toThrow(/settings\.annealEpochs/);
    expect(() => parseTraining({ format: 6, settings: 'none' })).toThrow('an object for settings');
  });

  it('of format 5 is read in the form of today', () => {
    const { command: _c, method: _m, graphs: _g, space: _s, genotype: _o, ...old } = { ...config, ...training };
    const search = { ...old, format: 5, kind: 'search', settings: config.settings };
    const space = { name: 'darts', given: false };
    expect(
      parse({
        ...search,
        command: undefined,
        method: undefined,
        graphs: undefined,
        space: { ...space, graphDigest: 'g' },
      }),
    ).toEqual(config);
    const architecture = { genotype: training.genotype, graphDigest: 'g' };
    const train = { ...old, format: 5, kind: 'train', settings: training.settings, architecture };
    expect(parseConfig(JSON.stringify(train), 'config.json', methods).config).toEqual(training);
  });

  it('refuses text that is no JSON object', () => {
    for (const text of ['', '{', '[]', 'null', '"a"'])
      expect(() => parseConfig(text, 'c', methods)).toThrow('expected a JSON object');
  });
});

describe('the genotype of a run', () => {
  it('leaves no Python form of a former one where the new one has none', async () => {
    const files = runFiles(scratch());
    await writeGenotype(files, genotypes['DARTS_V2']);
    expect(existsSync(files.python)).toBe(true);
    const cell = { nodes: [[{ operation: 'skip_connect', input: 0 }]], concat: [2] };
    await writeGenotype(files, { normal: cell, reduce: cell });
    expect(existsSync(files.python)).toBe(false);
    expect(JSON.parse(readFileSync(files.genotype, 'utf8'))).toEqual({ normal: cell, reduce: cell });
  });
});

describe('EventQueue', () => {
  const collect = async (events: AsyncIterable<number>) => {
    const seen: number[] = [];
    for await (const event of events) seen.push(event);
    return seen;
  };

  it('hands over what came before iteration and what comes during it, then ends', async () => {
    const queue = new EventQueue<number>();
    queue.push(1);
    const seen = collect(queue.drain());
    await Promise.resolve();
    queue.push(2);
    await new Promise((resolve) => setTimeout(resolve, 1));
    queue.push(3);
    queue.close();
    expect(await seen).toEqual([1, 2, 3]);
  });

  it('keeps only the latest 1024 while nobody iterates', async () => {
    const queue = new EventQueue<number>();
    for (let i = 0; i < 3000; i++) queue.push(i);
    queue.close();
    const seen = await collect(queue.drain());
    expect([seen.length, seen[0], seen.at(-1)]).toEqual([1024, 1976, 2999]);
  });

  it('loses nothing once iteration began, however slow the consumer', async () => {
    const queue = new EventQueue<number>();
    const events = queue.drain();
    queue.push(0);
    await events.next();
    for (let i = 1; i < 3000; i++) queue.push(i);
    queue.close();
    expect((await collect(events)).length).toBe(2999);
  });

  it('throws the failure after the events before it', async () => {
    const queue = new EventQueue<number>();
    queue.push(1);
    queue.close(new Error('spoilt'));
    const events = queue.drain();
    expect(await events.next()).toEqual({ done: false, value: 1 });
    await expect(events.next()).rejects.toThrow('spoilt');
  });

  it('forgets everything when its consumer leaves', async () => {
    const queue = new EventQueue<number>();
    queue.push(1);
    for await (const _ of queue.drain()) break;
    queue.push(2);
    queue.close(new Error('unseen'));
    expect(
      await queue
        .drain()
        .next()
        .catch((error: Error) => error.message),
    ).toBe('unseen');
  });
});
