import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { startMethod } from '../../src/run/start.ts';
import type { SearchSpace } from '../../src/space/space.ts';
import { createFakeDevice } from './fake_device.ts';
import { tinyDataset, tinySettings } from './tiny_search.ts';

/** What a selection is told of the search that it goes on with. */
export interface TinySource {
  readonly run: string;
  readonly space: SearchSpace;
}

/** A search in a space of its own, of as many nodes, that lies in a directory until the file's tests are done. */
export async function tinySource(
  nodes: number,
  dataset = tinyDataset(),
  more: Partial<SearchSpace> = {},
): Promise<TinySource> {
  const folder = mkdtempSync(join(tmpdir(), 'dartsmith-test-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const run = join(folder, 'source');
  const space = { name: 'tiny', nodes, candidates: ['none', 'skip_connect'], ...more };
  const settings = { ...tinySettings, epochs: 1 };
  await startMethod('search', { dataset, device: createFakeDevice(), settings, space, out: run }).result;
  return { run, space };
}
