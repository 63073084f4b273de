// A thread of the pool: prepares images and sends back their pixels, or why a file cannot be read.
import { parentPort } from 'node:worker_threads';
import { loadSharp } from '../data/decode.ts';
import { messageOf } from '../errors.ts';
import { type PrepareTask, prepareImage } from './prepare.ts';

/** What the pool sends; undefined ends the thread when its tasks are done. */
export type Request = { readonly id: number; readonly task: PrepareTask } | undefined;

/** What comes back. */
export type Reply = { readonly id: number } & PreparedImage;

/** An image's pixels, or why there are none. */
export type PreparedImage = { readonly pixels: Uint8Array } | { readonly reason: string };

const port = parentPort!;

port.on('message', async (request: Request) => {
  if (request === undefined) {
    port.close();
    return;
  }
  const { id, task } = request;
  try {
    if ('path' in task.source) await settleSharp();
    const pixels = await prepareImage(task);
    port.postMessage({ id, pixels } satisfies Reply, [pixels.buffer as ArrayBuffer]);
  } catch (error) {
    port.postMessage({ id, reason: firstLine(error) } satisfies Reply);
  }
});

/** The threads are the pool's: libvips needs none of its own, nor does anybody read a file twice in a row. */
async function settleSharp(): Promise<void> {
  const sharp = await loadSharp();
  if (sharp.concurrency() !== 1) {
    sharp.concurrency(1);
    sharp.cache(false);
  }
}

function firstLine(error: unknown): string {
  const text = messageOf(error);
  // libvips keeps one text for all threads, which another one may have taken.
  return text === 'Unknown error' ? 'a damaged image' : text.split('\n', 1)[0].trim();
}
