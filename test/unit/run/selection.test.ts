// What a selection goes on with: a search's checkpoint, or one that was kept on the way.
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  AbortedError,
  type DecisionEvent,
  type SearchEvent,
  type SearchRun,
  type SelectByOptions,
  search,
  selectBy,
} from '../../../src/index.ts';
import type { SearchSpace } from '../../../src/space/space.ts';
import { createFakeDevice } from '../../helpers/fake_device.ts';
import { tinyDataset, tinySettings } from '../../helpers/tiny_search.ts';

const folder = mkdtempSync(join(tmpdir(), 'dartsmith-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

const dataset = tinyDataset();
const space: SearchSpace = { name: 'tiny', nodes: 2, candidates: ['none', 'skip_connect'] };
const settings = { ...tinySettings, epochs: 4 };
const run = join(folder, 'search');
await search({ dataset, device: createFakeDevice(), settings, space, out: run, snapshotEpochs: 2 }).result;

/** Shortly, in a directory of its own. */
function selecting(out: string, options: Partial<SelectByOptions> = {}) {
  const device = createFakeDevice();
  const rest = { dataset, space, run, settings: { projIntv: 1 }, ...options };
  return selectBy({ device, out: join(folder, out), ...rest });
}

/** Stops a run at its first event of a type. */
async function interrupted(going: SearchRun, type: SearchEvent['type'], controller: AbortController): Promise<void> {
  const stopped = (async () => {
    for await (const event of going) if (event.type === type) controller.abort();
  })();
  await expect(stopped).rejects.toThrow(AbortedError);
}

describe('snapshots', () => {
  it('are kept of every so many epochs, the last as the checkpoint is', () => {
    const kept = join(run, 'snapshots', 'search');
    expect(readdirSync(kept).sort()).toEqual(['epoch-0002.safetensors', 'epoch-0004.safetensors']);
    expect(readFileSync(join(kept, 'epoch-0004.safetensors'))).toEqual(
      readFileSync(join(run, 'checkpoint.safetensors')),
    );
  });

  it('are not kept unless asked for', async () => {
    const out = join(folder, 'plain');
    await search({ dataset, device: createFakeDevice(), settings: tinySettings, space, out }).result;
    expect(existsSync(join(out, 'snapshots'))).toBe(false);
  });

  it('are what a selection begins with', async () => {
    await selecting('early', { epoch: 2 }).result;
    const { source } = JSON.parse(readFileSync(join(folder, 'early', 'config.json'), 'utf8'));
    expect([source.at.epoch, source.checkpoint]).toEqual([
      2,
      join(run, 'snapshots', 'search', 'epoch-0002.safetensors'),
    ]);
  });

  it('are named when one was not kept', async () => {
    await expect(selecting('none', { epoch: 3 }).result).rejects.toThrow(
      /kept no snapshot of epoch 3.*--snapshot-epochs/,
    );
  });
});

describe('a selection', () => {
  it('tells each decision with what every absence cost', async () => {
    const selection = selecting('told');
    const decisions: DecisionEvent[] = [];
    for await (const event of selection) if (event.type === 'decision') decisions.push(event);
    await selection.result;
    expect(decisions.length).toBeGreaterThan(0);
  });

  it('that has no checkpoint of its own yet begins with the same one again, or not at all', async () => {
    const own = join(folder, 'changing');
    await search({ dataset, device: createFakeDevice(), settings, space, out: own }).result;
    const out = join(folder, 'interrupted');
    const controller = new AbortController();
    const selection = selecting('interrupted', { run: own, signal: controller.signal });
    await interrupted(selection, 'start', controller);
    rmSync(join(out, 'checkpoint.safetensors'), { force: true });
    appendFileSync(join(own, 'checkpoint.safetensors'), ' ');
    const resumed = selectBy({ device: createFakeDevice(), dataset, space, resume: out });
    await expect(resumed.result).rejects.toThrow(/has changed since the selection began with it: begin a new one/);
  });

  it.each<[what: string, options: object, message: RegExp]>([
    ['no run', { run: folder }, /holds no run: there is no config.json/],
    ['a selection', { run: join(folder, 'told') }, /is no search: there is no supernet to go on with/],
    ['nothing', { run: undefined }, /expected the directory of a search with a supernet for run/],
    ['a stage that the search had not', { stage: 'search2' }, /search2/],
    ['no space, where the search had one of its own', { space: undefined }, /searched a space of its own, 'tiny'/],
    ['another space', { space: { ...space, nodes: 3 } }, /is another now/],
    ['a limit of its own', { limit: 3 }, /limit/],
    ['a setting of the search', { settings: { unrolled: true } }, /unrolled/],
  ])('is refused with %s', async (_, options, message) => {
    await expect(selecting('refused', options).result).rejects.toThrow(message);
  });

  it('is refused with a search without checkpoint', async () => {
    const early = join(folder, 'early-search');
    const controller = new AbortController();
    const searching = search({
      dataset,
      device: createFakeDevice(),
      settings,
      space,
      out: early,
      signal: controller.signal,
    });
    await interrupted(searching, 'start', controller);
    rmSync(join(early, 'checkpoint.safetensors'), { force: true });
    await expect(selecting('refused', { run: early }).result).rejects.toThrow(/holds no checkpoint yet/);
  });
});
