// How long the main thread works without a turn of the event loop, in time of its own: what other processes do with the cores meanwhile
// does not count.
import { openSync, readSync } from 'node:fs';

/** What this thread has run since it began, in milliseconds. */
export const threadMillis = openThreadClock();

/** Linux tells it to the nanosecond for the thread that opened the file; elsewhere the clock on the wall has to do. */
function openThreadClock(): () => number {
  const bytes = Buffer.alloc(128);
  const lock = new Int32Array(new SharedArrayBuffer(4));
  try {
    const file = openSync('/proc/thread-self/schedstat', 'r');
    return () => {
      // The account is settled when a thread goes to sleep, else at the kernel's next tick, milliseconds later.
      Atomics.wait(lock, 0, 0, 0.01);
      return Number.parseInt(bytes.toString('latin1', 0, readSync(file, bytes, 0, bytes.length, 0)), 10) / 1e6;
    };
  } catch {
    return () => performance.now();
  }
}

/** The longest stretch between two turns of the event loop until some work has settled, in milliseconds of this thread. */
export async function longestStretch(work: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let last = threadMillis();
  let timer: NodeJS.Immediate;
  const turn = () => {
    const now = threadMillis();
    longest = Math.max(longest, now - last);
    last = now;
    timer = setImmediate(turn);
  };
  await new Promise((resolve) => setImmediate(resolve));
  turn();
  try {
    await work();
    // The stretch that settled it.
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    clearImmediate(timer!);
  }
  return longest;
}
