// A file of its own: `process` tells of every thread, of other tests' too.
import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { expect, it, vi } from 'vitest';
import { AbortedError } from '../../../src/errors.ts';
import { ImagePool } from '../../../src/load/pool.ts';

it('ends every thread when it is disposed of, and starts none for the last replies', async () => {
  // Heard from its start on: on a busy machine a thread is gone before anybody who looks later.
  const ends: Promise<unknown>[] = [];
  process.on('worker', (worker: Worker) => ends.push(once(worker, 'exit')));
  const pool = new ImagePool(1);
  const work = pool.prepare({ source: { pixels: new Uint8Array(192) }, shape: [8, 8, 3] });
  pool[Symbol.dispose]();
  await expect(work).rejects.toThrow(AbortedError);
  await vi.waitFor(() => expect(ends.length).toBe(1));
  await ends[0];
  expect(ends.length).toBe(1);
});

it.each([0, -1, 1.5, Number.NaN, 1025])('refuses %d threads', (workers) => {
  expect(() => new ImagePool(workers)).toThrow('an integer from 1 to 1024 for workers');
});
