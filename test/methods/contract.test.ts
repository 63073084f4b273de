// What every method promises, held against each entry of the registry and against one that is in none.
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { Device } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import { publishedGenotypes } from '../../src/genotype/published.ts';
import type { Method } from '../../src/methods/method.ts';
import { methods } from '../../src/methods/registry.ts';
import { reportPage } from '../../src/report/report_page.ts';
import type { MethodOptions } from '../../src/run/options.ts';
import { startMethod } from '../../src/run/start.ts';
import { readRunView } from '../../src/run/view.ts';
import { createFakeDevice, type FakeOptions } from '../helpers/fake_device.ts';
import { contentsOf } from '../helpers/run_contents.ts';
import { scratch } from '../helpers/scratch.ts';
import { tinyDataset, tinySettings } from '../helpers/tiny_search.ts';
import { tinySource } from '../helpers/tiny_source.ts';
import { tinyCorpus, tinyTextSettings } from '../helpers/tiny_text.ts';
import { randomSearch } from './random_search.ts';
import { twoStages } from './two_stages.ts';

// Graphviz has its own tests and would take most of the time here.
vi.mock('../../src/report/draw.ts', () => ({
  drawGenotype: async (genotype: unknown) => `<svg>${JSON.stringify(genotype)}</svg>`,
}));

const entries: readonly Method[] = [...methods, randomSearch, twoStages];
const dataset = { ...tinyDataset(), test: tinyDataset(2).train };
/** Of methods whose networks need images of more pixels. */
const datasets: Readonly<Record<string, typeof dataset>> = {
  cdarts: { ...tinyDataset(1, 12), test: tinyDataset(2, 12).train },
};
/** Settings that only some methods have, small. */
const smallSettings: Readonly<Record<string, object>> = { cdarts: { epochs: 3, warmupEpochs: 1, evaluationLayers: 3 } };

const corpus = tinyCorpus();
const source = await tinySource(1);

/** What a method works on. */
function dataOf({ name, data }: Method) {
  return data === 'text' ? corpus : (datasets[name] ?? dataset);
}

function optionsOf(method: Method, settings: object = {}): MethodOptions {
  if (method.needs === 'run') {
    return { dataset, method: method.name, settings: { batchSize: 8, projIntv: 1, ...settings }, ...source };
  }
  const ofTraining = method.command === 'train' && method.data === 'images' && { auxiliary: false };
  const tiny = method.data === 'text' ? tinyTextSettings : { ...tinySettings, ...ofTraining };
  const own = { ...tiny, ...smallSettings[method.name], ...settings };
  return {
    dataset: dataOf(method),
    settings: own,
    ...(method.command === 'search' && { method: method.name }),
    ...(method.needs === 'genotype' && {
      genotype: publishedGenotypes[method.data === 'text' ? 'DARTS_V2_RNN' : 'DARTS_V2'],
    }),
  };
}

function start(method: Method, options: MethodOptions = {}, fake: FakeOptions = {}) {
  const device = createFakeDevice(fake);
  return startMethod(method.command, { device, ...optionsOf(method), ...options }, entries);
}

function resume(method: Method, directory: string, options: MethodOptions = {}) {
  const space = method.needs === 'run' ? { space: source.space } : {};
  const common = { device: createFakeDevice(), resume: directory, dataset: dataOf(method), ...space };
  return startMethod(method.command, { ...common, ...options }, entries);
}

async function uninterrupted(method: Method, options: MethodOptions = {}) {
  const out = join(scratch(), 'run');
  const device = createFakeDevice();
  await start(method, { out, device, ...options }).result;
  return { contents: contentsOf(out), calls: device.calls.length };
}

describe.each(entries.map((method) => [method.name, method] as const))('the method %s', (_, method) => {
  it('goes on after a kill at any call to the same bytes', async () => {
    const { contents, calls } = await uninterrupted(method);
    for (const checkpointSeconds of [0, Number.POSITIVE_INFINITY]) {
      const folder = scratch();
      const out = join(folder, 'run');
      const before = (call: number) => cpSync(out, join(folder, `killed-${call}`), { recursive: true });
      await start(method, { out, checkpointSeconds }, { before }).result;
      for (let call = 0; call < calls; call++) {
        const killed = join(folder, `killed-${call}`);
        await resume(method, killed, { checkpointSeconds }).result;
        expect(contentsOf(killed), `call ${call}`).toEqual(contents);
      }
    }
  });

  it('ends on a signal with a checkpoint, and goes on to the same bytes', async () => {
    const { contents, calls } = await uninterrupted(method);
    for (let stop = 0; stop < calls; stop++) {
      const out = join(scratch(), 'run');
      const controller = new AbortController();
      const before = (call: number) => call === stop && controller.abort();
      const run = start(method, { out, signal: controller.signal }, { before });
      await expect(run.result, `call ${stop}`).rejects.toMatchObject({ code: 'ABORTED' });
      expect(existsSync(join(out, 'checkpoint.safetensors'))).toBe(true);
      await resume(method, out).result;
      expect(contentsOf(out), `call ${stop}`).toEqual(contents);
    }
  });

  it('runs twice in one process without one run changing the other', async () => {
    const { contents } = await uninterrupted(method);
    const folders = [join(scratch(), 'run'), join(scratch(), 'run')];
    await Promise.all(folders.map((out) => start(method, { out }).result));
    for (const out of folders) expect(contentsOf(out)).toEqual(contents);
    const other = await uninterrupted(method, { seed: 1 });
    expect(other.contents['checkpoint.safetensors']).not.toBe(contents['checkpoint.safetensors']);
  });

  it.skipIf(!existsSync('/dev/full'))('says that the disk is full, and goes on when there is room again', async () => {
    const { contents } = await uninterrupted(method);
    const out = join(scratch(), 'run');
    const journal = join(out, 'journal.jsonl');
    const controller = new AbortController();
    const stopped = start(
      method,
      { out, signal: controller.signal },
      { before: (call) => call === 2 && controller.abort() },
    );
    await expect(stopped.result).rejects.toMatchObject({ code: 'ABORTED' });
    const kept = readFileSync(journal);
    rmSync(journal);
    symlinkSync('/dev/full', journal);
    await expect(resume(method, out).result).rejects.toThrow(/cannot write .*journal\.jsonl: /);
    rmSync(journal);
    writeFileSync(journal, kept);
    await resume(method, out).result;
    expect(contentsOf(out)).toEqual(contents);
    expect(readdirSync(out).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('gives the bits of one run on the CPU, whatever the threads, and after an abort', async () => {
    const run = async (device: Device, out: string) => {
      await startMethod(method.command, { ...optionsOf(method), device, out }, entries).result;
      return contentsOf(out)['checkpoint.safetensors'];
    };
    using one = await openDevice({ backend: 'cpu', threads: 1 });
    using two = await openDevice({ backend: 'cpu', threads: 2 });
    const whole = await run(two, join(scratch(), 'run'));
    expect(await run(one, join(scratch(), 'run'))).toBe(whole);
    const out = join(scratch(), 'run');
    const controller = new AbortController();
    const { signal } = controller;
    const stopped = startMethod(method.command, { ...optionsOf(method), device: two, out, signal }, entries);
    const follow = async () => {
      for await (const event of stopped) if (event.type === 'step' && event.step === 1) controller.abort();
    };
    await expect(follow()).rejects.toMatchObject({ code: 'ABORTED' });
    await resume(method, out, { device: one }).result;
    expect(contentsOf(out)['checkpoint.safetensors']).toBe(whole);
  });

  it('tells in its journal what its events told', async () => {
    const out = join(scratch(), 'run');
    const events: { readonly type: string }[] = [];
    const run = start(method, { out });
    for await (const event of run) events.push(event);
    const records = readFileSync(join(out, 'journal.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
      // Of which events say nothing.
      .map(({ stage: _, ...record }) => record);
    const told = (type: string) => events.filter((event) => event.type === type);
    for (const type of ['step', 'epoch', 'genotype']) {
      expect(records.filter((record) => record.type === type)).toEqual(told(type));
    }
    const { directory: _, ...result } = await run.result;
    expect(records.at(-1)).toEqual({ type: 'result', epoch: method.needs === 'run' ? 1 : 2, ...result });
    for (const { name, of } of method.measures.filter(({ group, optional }) => group !== undefined && !optional)) {
      expect(told(of)[0], name).toHaveProperty(name);
    }
  });

  it('has a report: its curves, and of a search what its cells and mixing weights were', async () => {
    const out = join(scratch(), 'run');
    await start(method, { out }).result;
    const view = await readRunView(out, { name: 'run', methods: entries });
    const { html, figures } = await reportPage([view], []);
    expect(view.problems).toEqual([]);
    expect(html).not.toContain('cannot be drawn');
    const names = figures.map(({ name }) => name);
    expect(names).toContain('run-curves');
    const drawn = (figure: string) => names.filter((name) => name.endsWith(`-${figure}`)).length;
    const withHistory = view.stages.filter(({ history }) => history !== undefined).length;
    for (const kind of ['area', 'heatmap', 'histogram', 'grid']) expect(drawn(kind)).toBe(withHistory);
    const moments = view.stages.flatMap(({ genotypes }) => genotypes).length;
    expect(drawn('animation')).toBe(moments > 1 ? 1 : 0);
  });
});
