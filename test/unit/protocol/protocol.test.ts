// Protocols from beginning to end, in small: every kind of arm, interrupted anywhere, with runs that come to nothing.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AbortedError, ArgumentError, FileError } from '../../../src/errors.ts';
import type { Genotype, GenotypeEdge } from '../../../src/genotype/genotype.ts';
import type { ProtocolEvent, ProtocolResult } from '../../../src/protocol/events.ts';
import type { ProtocolArm, ProtocolOptions } from '../../../src/protocol/options.ts';
import { runProtocol } from '../../../src/protocol/protocol.ts';
import { pairedTest } from '../../../src/statistics/paired.ts';
import { createFakeDevice } from '../../helpers/fake_device.ts';
import { contentsOf } from '../../helpers/run_contents.ts';
import { scratch } from '../../helpers/scratch.ts';
import { tinyDataset, tinySettings } from '../../helpers/tiny_search.ts';
import { tinyCorpus, tinyTextSettings } from '../../helpers/tiny_text.ts';

vi.mock('../../../src/report/draw.ts', () => ({ drawGenotype: async () => '' }));

const dataset = { ...tinyDataset(), test: tinyDataset(2).train };
const training = { settings: { batchSize: 8, epochs: 2, initChannels: 2, layers: 3, auxiliary: false } };
const settings = { ...tinySettings, epochs: 1 };
const arms: readonly ProtocolArm[] = [
  { name: 'darts', settings, space: 's2' },
  { name: 'pt', of: 'darts', by: 'projection', settings: { projIntv: 1, batchSize: 8 } },
  { name: 'fair', method: 'fairdarts', settings: { ...settings, opThreshold: 0.4 } },
  {
    name: 'drawn',
    space: 's2',
    settings: { ...settings, randomSearch: true, numArch: 1, flopsThreshold: 0, numIdentity: 1 },
  },
];
const small: ProtocolOptions = { arms: arms.slice(0, 1), seeds: 2, dataset, training };
const folder = mkdtempSync(join(tmpdir(), 'dartsmith-test-'));
const whole = join(folder, 'whole');
const asked: ProtocolOptions = { arms, seeds: 2, firstSeed: 3, dataset, training, pick: { among: 1 } };

async function follow(options: ProtocolOptions, onEvent: (event: ProtocolEvent) => void = () => {}) {
  const events: ProtocolEvent[] = [];
  const run = runProtocol({ device: createFakeDevice(), ...options });
  for await (const event of run) {
    events.push(event);
    onEvent(event);
  }
  return { events, result: await run.result };
}

const json = (path: string) => JSON.parse(readFileSync(path, 'utf8'));
const runsOf = (events: readonly ProtocolEvent[]) =>
  events.flatMap((event) => (event.type === 'run' && event.event.type === 'start' ? [event] : []));
const journalsIn = (directory: string) =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('journal.jsonl'));
/** Records of a type in all journals of a folder. */
const records = (directory: string, type: string) =>
  journalsIn(directory).flatMap((name) =>
    readFileSync(join(directory, name), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith(`{"type":"${type}"`))
      .map((line) => ({ name, ...JSON.parse(line) })),
  );
/** What a protocol keeps, but for who worked on it. */
const kept = (directory: string) =>
  Object.fromEntries(
    Object.entries(contentsOf(directory)).map(([name, text]) => [name, text.replaceAll(directory, '')]),
  );

let found: { readonly events: readonly ProtocolEvent[]; readonly result: ProtocolResult };
beforeAll(async () => {
  found = await follow({ ...asked, out: whole });
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('runProtocol', () => {
  it('searches, selects and draws with every seed, and trains each briefly and wholly', () => {
    const runs = runsOf(found.events);
    expect(runs.map(({ index }) => index)).toEqual(runs.map((_, index) => index));
    expect(runs.slice(0, 14).map(({ arm, seed, part }) => `${arm} ${seed} ${part}`)).toEqual([
      ...['darts 3 search', 'darts 3 brief', 'darts 3 train', 'pt 3 select', 'pt 3 brief', 'pt 3 train'],
      ...['fair 3 search', 'fair 3 brief', 'fair 3 train', 'drawn 3 search', 'drawn 3 brief', 'drawn 3 train'],
      ...['random 3 brief', 'random 3 train'],
    ]);
    // A baseline a space: that of FairDARTS is another.
    expect(runs).toHaveLength(2 * (4 * 3 + 2 * 2));
    expect(new Set(runs.map((run) => run.runs))).toEqual(new Set([32]));
  });

  it('keeps ordinary runs, of the seed and the training of all', () => {
    for (const arm of ['darts', 'pt', 'fair', 'random', 'random-fairdarts']) {
      for (const seed of [3, 4]) {
        const config = json(join(whole, arm, `seed-${seed}`, 'train', 'config.json'));
        expect(config).toMatchObject({ command: 'train', seed, settings: training.settings });
        expect(config.dataset.validationPortion).toBeUndefined();
        const brief = json(join(whole, arm, `seed-${seed}`, 'brief', 'config.json'));
        expect(brief).toMatchObject({ seed, settings: { ...training.settings, epochs: 1 } });
        expect(brief.dataset.validationPortion).toBe(0.1);
      }
    }
    const genotypeIn = (...path: string[]) => json(join(whole, ...path, 'config.json')).genotype as Genotype;
    expect(genotypeIn('random', 'seed-3', 'train')).not.toEqual(genotypeIn('random', 'seed-4', 'train'));
    expect(genotypeIn('random-fairdarts', 'seed-3', 'train').entries).toBe('triples');
    expect(genotypeIn('darts', 'seed-3', 'train')).toEqual(
      json(join(whole, 'darts', 'seed-3', 'search', 'genotype.json')),
    );
  });

  it('tells scores of test images, and differences to the baseline of the same space', () => {
    const [{ measure, rows }] = found.result.tables;
    expect(measure).toEqual({ name: 'testAccuracy', title: 'test accuracy', unit: 'share', better: 'higher' });
    expect(rows.map(({ arm }) => arm)).toEqual([
      ...['darts', 'pt', 'fair', 'drawn', 'random', 'random-fairdarts'],
      ...['darts', 'pt', 'fair', 'drawn', 'random', 'random-fairdarts'].map((arm) => `picked of ${arm}`),
    ]);
    expect(rows.map((row) => row.against?.arm)).toEqual([
      ...['random', 'random', 'random-fairdarts', 'random', undefined, undefined],
      ...['random', 'random', 'random-fairdarts', 'random'].map((arm) => `picked of ${arm}`),
      ...[undefined, undefined],
    ]);
    const results = records(whole, 'result');
    const scoreOf = (arm: string, seed: number) =>
      results.find(({ name }) => name === join(arm, `seed-${seed}`, 'train', 'journal.jsonl'))?.testAccuracy;
    for (const row of rows.slice(0, 6)) expect(row.scores).toEqual([3, 4].map((seed) => scoreOf(row.arm, seed)));
    const differences = [3, 4].map((seed) => scoreOf('darts', seed) - scoreOf('random', seed));
    expect(rows[0].against).toEqual({ arm: 'random', ...pairedTest(differences) });
    // Of groups of one, the one.
    expect(rows[6]).toMatchObject({ scores: rows[0].scores, kept: [3, 4] });
    expect(found.result.failures).toEqual([]);
  });

  it('runs nothing again that is done', async () => {
    const before = kept(whole);
    const { events, result } = await follow({ ...asked, out: whole });
    expect(result).toEqual(found.result);
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(['score']));
    expect(kept(whole)).toEqual(before);
    const again = await follow({ resume: whole, dataset });
    expect(again.result).toEqual(found.result);
  });

  it('goes on from wherever it was stopped, to the same bytes', async () => {
    const directory = join(folder, 'stopped');
    const trail: string[] = [];
    for (let stops = 0, done = false; !done; stops++) {
      const controller = new AbortController();
      let steps = 0;
      const count = (event: ProtocolEvent) => {
        if (event.type !== 'run' || event.event.type !== 'step') return;
        // Epochs of a selection count anew behind each decision.
        if (event.part !== 'select')
          trail.push(`${event.arm} ${event.seed} ${event.part} ${event.event.epoch} ${event.event.step}`);
        // Now within a run, now between two.
        if (++steps === 7 + stops) controller.abort();
      };
      try {
        await follow({ ...asked, out: directory, signal: controller.signal }, count);
        done = true;
      } catch (error) {
        expect(error).toBeInstanceOf(AbortedError);
        expect(stops).toBeLessThan(100);
      }
    }
    expect(new Set(trail).size).toBe(trail.length);
    const [expected, actual] = [kept(whole), kept(directory)];
    expect(Object.keys(actual)).toEqual(Object.keys(expected));
    for (const [name, text] of Object.entries(expected)) expect([name, actual[name]]).toEqual([name, text]);
    expect(records(directory, 'start').filter(({ resumed }) => !resumed)).toHaveLength(32);
  });

  it('goes on where a run was lost whole, or its last lines', async () => {
    const directory = join(folder, 'torn');
    await follow({ ...small, out: directory });
    const before = kept(directory);
    rmSync(join(directory, 'random', 'seed-1'), { recursive: true });
    const journal = join(directory, 'darts', 'seed-0', 'train', 'journal.jsonl');
    writeFileSync(journal, readFileSync(journal, 'utf8').slice(0, -30));
    const { events } = await follow({ ...small, out: directory });
    expect(runsOf(events).map(({ arm, seed, part }) => `${arm} ${seed} ${part}`)).toEqual([
      'darts 0 train',
      'random 1 train',
    ]);
    expect(kept(directory)).toEqual(before);
  });
});

describe('runs that come to nothing', () => {
  /** Spoils the losses of one run. */
  function spoiling(arm: string, seed: number, part: string) {
    let isSpoilt = false;
    const device = createFakeDevice({
      spoil: (outcomes) => (isSpoilt ? outcomes.map((outcome) => ({ ...outcome, loss: Number.NaN })) : outcomes),
    });
    const onEvent = (event: ProtocolEvent) => {
      if (event.type === 'run' && event.event.type === 'start') {
        isSpoilt = event.arm === arm && event.seed === seed && event.part === part;
      }
    };
    return { device, onEvent };
  }

  it.each([
    ['darts', 'search', ['darts', 'pt']],
    ['darts', 'train', ['darts']],
    ['random', 'train', ['random']],
  ])('a diverged run of %s (%s) is counted and told, and not run again', async (arm, part, failing) => {
    const out = join(scratch(), 'diverged');
    const options = { ...small, arms: arms.slice(0, 2), seeds: 3, out };
    const { device, onEvent } = spoiling(arm, 1, part);
    const { result, events } = await follow({ ...options, device }, onEvent);
    expect(result.failures.map((failure) => `${failure.arm} ${failure.seed}`)).toEqual(
      failing.map((name) => `${name} 1`),
    );
    expect(result.failures[0]).toMatchObject({ part, reason: expect.stringContaining('became NaN') });
    expect(events.filter(({ type }) => type === 'failed')).toHaveLength(failing.length);
    const [{ rows }] = result.tables;
    for (const row of rows) {
      const missed = failing.includes(row.arm) ? 1 : 0;
      expect([row.n, row.failed, row.scores[1] === null]).toEqual([3 - missed, missed, missed === 1]);
    }
    expect(rows[0].against?.sample.n).toBe(failing.includes('pt') || part === 'train' ? 2 : 3);
    const again = await follow({ ...options });
    expect(again.result).toEqual(result);
    expect(runsOf(again.events)).toEqual([]);
    writeFileSync(join(out, arm, 'seed-1', `${part}.failed.json`), '{');
    const repaired = await follow({ ...options });
    expect(repaired.result.failures).toEqual([]);
  });

  it('a brief training that diverged is told, and picked by no more', async () => {
    const out = join(scratch(), 'brief');
    const options = { ...small, baseline: false, pick: {}, out };
    const { device, onEvent } = spoiling('darts', 0, 'brief');
    const { result } = await follow({ ...options, device }, onEvent);
    expect(result.failures).toEqual([
      { arm: 'darts', seed: 0, part: 'brief', reason: expect.stringContaining('became NaN') },
    ]);
    const [darts, picked] = result.tables[0].rows;
    expect([darts.n, darts.failed, picked.kept]).toEqual([2, 0, [1]]);
    expect((await follow({ ...options })).result).toEqual(result);
  });

  it('a genotype without entries is none to train', async () => {
    const out = join(scratch(), 'empty');
    const fair = { name: 'fair', method: 'fairdarts', settings: { ...settings, opThreshold: 0.99 } };
    const { result } = await follow({ ...small, arms: [arms[0], fair], baseline: false, out });
    expect(result.failures.map(({ arm, seed }) => [arm, seed])).toEqual([
      ['fair', 0],
      ['fair', 1],
    ]);
    expect(result.failures[0].reason).toMatch(/^the normal cell is left without an entry/);
    expect(result.tables[0].rows.map(({ arm, n }) => [arm, n])).toEqual([
      ['darts', 2],
      ['fair', 0],
    ]);
  });
});

describe('a protocol of texts', () => {
  it('holds perplexities against each other, where lower is better', async () => {
    const corpus = tinyCorpus({ train: 120, valid: 40, test: 40 });
    const { result } = await follow({
      device: undefined,
      ...{ backend: 'cpu', threads: 1, arms: [{ name: 'rnn', method: 'darts-rnn', settings: tinyTextSettings }] },
      ...{ seeds: 2, dataset: corpus, training: { settings: tinyTextSettings }, pick: {} },
      out: join(scratch(), 'text'),
    });
    const [{ measure, rows }] = result.tables;
    expect(measure).toEqual({ name: 'testPerplexity', title: 'test perplexity', unit: 'perplexity', better: 'lower' });
    expect(rows.map(({ arm, n }) => [arm, n])).toEqual([
      ['rnn', 2],
      ['random', 2],
      ['picked of rnn', 1],
      ['picked of random', 1],
    ]);
    expect(Math.min(...rows.map(({ mean }) => mean ?? 0))).toBeGreaterThan(1);
    // As the validation text has it, not the test text.
    const briefs = [0, 1].map((seed) =>
      records(result.directory, 'result').find(
        ({ name }) => name === join('rnn', `seed-${seed}`, 'brief', 'journal.jsonl'),
      ),
    );
    const [first, second] = briefs.map((brief) => brief?.bestValidationPerplexity as number);
    expect(rows[2].kept).toEqual([first <= second ? 0 : 1]);
  });
});

describe('what is refused', () => {
  const out = () => join(scratch(), 'protocol');

  it.each<[string, object, RegExp]>([
    ['no folder', { out: undefined }, /expected out \(--out\)/],
    ['both folders', { resume: 'x' }, /expected out \(--out\)/],
    ['no arms', { arms: undefined }, /a list of at least one arm/],
    ['an empty list', { arms: [] }, /a list of at least one arm for arms/],
    ['an arm that is none', { arms: [7] }, /an object with the name of an arm for arms\[0\]/],
    ['a name that leads elsewhere', { arms: [{ name: '../x' }] }, /letters, digits/],
    ['a hidden name', { arms: [{ name: '.x' }] }, /letters, digits/],
    ['the name of a file of its own', { arms: [{ name: 'Table.json' }] }, /without \.json or \.md/],
    ['the name of a baseline', { arms: [{ name: 'random' }] }, /other than random/],
    ['one name twice', { arms: [{ name: 'a' }, { name: 'A' }] }, /two arms are called 'A'/],
    ['a selection of nothing', { arms: [{ name: 'p', of: 'darts', by: 'projection' }] }, /expected a search before it/],
    [
      'an unknown selection',
      { arms: [arms[0], { name: 'p', of: 'darts', by: 'projectio' }] },
      /Did you mean projection/,
    ],
    ['an unknown method', { arms: [{ name: 'a', method: 'dart' }] }, /Did you mean darts/],
    ['an unknown setting', { arms: [{ name: 'a', settings: { epoch: 1 } }] }, /Did you mean epochs/],
    ['a setting of the training', { training: { settings: { epoch: 1 } } }, /epoch/],
    ['no seeds', { seeds: undefined }, /how many seeds/],
    ['half a seed', { seeds: 1.5 }, /seeds/],
    ['a seed for trainings', { training: { seed: 1 } }, /each has that of its search/],
    ['groups that do not fit', { pick: { among: 3 } }, /a number that 2 seeds can be divided by/],
    [
      'picking and scoring by images of the same split',
      { pick: {}, training: { ...training, validationPortion: 0.25 } },
      /needs scores on other images/,
    ],
    [
      'two spaces of one name',
      {
        arms: ['skip_connect', 'sep_conv_3x3'].map((name) => ({
          name,
          settings,
          space: { name: 'own', nodes: 1, candidates: [name, 'none'] },
        })),
      },
      /two spaces that are called alike/,
    ],
    ['an unknown option', { arm: [] }, /unknown option 'arm'/],
    ['trainings beside a benchmark', { benchmark: { table: 'x.csv' } }, /leave out what is told of those/],
  ])('%s', async (_, other, message) => {
    const options = { ...small, out: out(), ...other };
    await expect(follow(options as ProtocolOptions)).rejects.toThrow(message);
    await expect(follow(options as ProtocolOptions)).rejects.toBeInstanceOf(ArgumentError);
    expect(existsSync(options.out ?? 'nowhere')).toBe(false);
  });

  it('what the trainings cannot do, before anything is searched', async () => {
    const options = { ...small, dataset: tinyDataset(), out: out() };
    await expect(follow(options)).rejects.toThrow(/^of the training that follows \(--then\): .*test images/);
    expect(existsSync(options.out)).toBe(false);
    // Images that are kept for it stand in.
    const { result } = await follow({ ...options, training: { ...training, validationPortion: 0.5 }, seeds: 1 });
    expect(result.tables[0].measure.title).toBe('validation accuracy');
  });

  it('another protocol in the same folder', async () => {
    const copy = join(scratch(), 'copy');
    cpSync(whole, copy, { recursive: true });
    const other = (options: object) => follow({ ...asked, ...options, out: copy });
    await expect(other({ seeds: 3, pick: {} })).rejects.toThrow('was asked with other seeds');
    await expect(other({ training: { settings: {} } })).rejects.toThrow('was asked with other training');
    await expect(other({ arms: arms.slice(1, 2).concat(arms) })).rejects.toBeInstanceOf(ArgumentError);
    await expect(follow({ resume: copy })).rejects.toThrow("a dataset of its own, 'tiny': give it as dataset");
    await expect(follow({ resume: copy, dataset, seeds: 9 })).rejects.toThrow('the protocol fixed it');
    await expect(follow({ resume: copy, dataset, arms, seeds: 9 })).rejects.toThrow('seeds cannot be given');
    await expect(follow({ resume: copy, dataset, arms })).rejects.toThrow("arm 'darts' cannot be given with resume");
    await expect(follow({ ...small, out: join(copy, 'darts', 'seed-3', 'search') })).rejects.toThrow(
      'is the directory of a run',
    );
    // Its run, with other settings.
    const config = join(copy, 'darts', 'seed-3', 'search', 'config.json');
    writeFileSync(config, readFileSync(config, 'utf8').replace('"batchSize": 8', '"batchSize": 4'));
    await expect(other({})).rejects.toThrow(/holds a search with batch size 4 rather than 8/);
  });

  it('damaged and foreign folders', async () => {
    const directory = join(scratch(), 'damaged');
    mkdirSync(directory);
    await expect(follow({ resume: directory })).rejects.toThrow('holds no protocol: there is no protocol.json');
    await expect(follow({ resume: join(directory, 'none') })).rejects.toBeInstanceOf(FileError);
    const file = join(directory, 'protocol.json');
    const damage: readonly (readonly [string, RegExp])[] = [
      ['{', /is damaged: expected a JSON object/],
      ['[]', /is damaged: expected a JSON object/],
      ['{"format":99}', /expected format 1 but got 99; another version wrote it/],
      ['{"format":1}', /is damaged: .*arms/],
      ['{"format":1,"seeds":2,"arms":[{"name":"../../x"}]}', /is damaged: .*letters, digits/],
      ['{"format":1,"seeds":"many","arms":[{"name":"a"}]}', /is damaged: .*seeds/],
    ];
    for (const [text, message] of damage) {
      writeFileSync(file, text);
      await expect(follow({ resume: directory })).rejects.toThrow(message);
      await expect(follow({ resume: directory })).rejects.toBeInstanceOf(FileError);
    }
    await expect(follow({ ...small, out: file })).rejects.toBeInstanceOf(FileError);
  });

  it('a second process in the same folder', async () => {
    const directory = join(scratch(), 'held');
    let refused: Promise<unknown> | undefined;
    await follow({ ...small, seeds: 1, out: directory }, () => {
      refused ??= follow({ ...small, seeds: 1, out: directory }).catch((error: unknown) => error);
    });
    expect(await refused).toBeInstanceOf(FileError);
  });
});

describe('a space whose candidates stand for several', () => {
  it('is drawn from whole, as StacNAS finds what its groups hold', async () => {
    const directory = join(scratch(), 'stacnas');
    const own = [{ name: 'stacnas', method: 'stacnas', settings }];
    await follow({ ...small, arms: own, seeds: 4, out: directory });
    const names = [0, 1, 2, 3].flatMap((seed) => {
      const { normal, reduce } = json(join(directory, 'random', `seed-${seed}`, 'train', 'config.json')).genotype;
      return [normal, reduce].flatMap(({ nodes }) => nodes.flat().map(({ operation }: GenotypeEdge) => operation));
    });
    expect([...new Set(names)].sort()).toEqual([
      ...['avg_pool_3x3', 'dil_conv_3x3', 'dil_conv_5x5', 'max_pool_3x3'],
      ...['sep_conv_3x3', 'sep_conv_5x5', 'skip_connect'],
    ]);
  });
});

describe('spaces of one own', () => {
  it('are drawn from as they are searched, and given again', async () => {
    const space = { name: 'own', nodes: 2, candidates: ['skip_connect', 'sep_conv_3x3'] };
    const own = [{ name: 'darts', settings, space }];
    const directory = join(scratch(), 'own');
    const { result } = await follow({ ...small, arms: own, out: directory });
    const { normal } = json(join(directory, 'random', 'seed-0', 'train', 'config.json')).genotype as Genotype;
    expect(normal?.nodes).toHaveLength(2);
    await expect(follow({ resume: directory, dataset })).rejects.toThrow("searches a space of its own, 'own'");
    expect((await follow({ resume: directory, dataset, arms: own })).result).toEqual(result);
  });
});
