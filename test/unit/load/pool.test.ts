// A file of its own: `process` tells of every thread, of other tests' too.
import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { expect, it, vi } from 'vitest';
import { AbortedError } from '../../../src/errors.ts';
import { ImagePool } from '../../../src/load/pool.ts';

it('ends every thread when it is disposed of, and starts none for the last replies', async () => {
  const ended: Promise<unknown>[] = [];
  // Listened for at once: on a busy machine a thread may end before anybody asks.
  process.on('worker', (worker: Worker) => ended.push(once(worker, 'exit')));
  const pool = new ImagePool(1);
  const work = pool.prepare({ source: { pixels: new Uint8Array(192) }, shape: [8, 8, 3] });
  pool[Symbol.dispose]();
  await expect(work).rejects.toThrow(AbortedError);
  await vi.waitFor(() => expect(ended.length).toBe(1));
  await ended[0];
  expect(ended.length).toBe(1);
});

it.each([0, -1, 1.5, Number.NaN, 1025])('refuses %d threads', (workers) => {
  expect(() => new ImagePool(workers)).toThrow('an integer from 1 to 1024 for workers');
});
