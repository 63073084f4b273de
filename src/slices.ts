// Long work of the main thread, cut so that the event loop goes on meanwhile.
import { setImmediate } from 'node:timers/promises';

/** Work that may rest wherever it yields: at least once in some 100 microseconds. */
export type Steps<T> = Generator<undefined, T, undefined>;

/** Much less than what a server's requests notice, many times what a turn of the event loop takes. */
const sliceMillis = 2;

/** Elements of an array that a step takes. */
export const stepElements = 1 << 14;

/** Does all of some work without a rest. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** Does some work in slices of two milliseconds, between which the event loop turns. */
export async function inSlices<T>(steps: Steps<T>): Promise<T> {
  let began = performance.now();
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    if (performance.now() - began < sliceMillis) continue;
    await setImmediate();
    began = performance.now();
  }
}

/** What some work yields beside places where it may rest, in the same slices. */
export async function* eachInSlices<T extends object>(
  work: Iterable<T | undefined>,
): AsyncGenerator<T, void, undefined> {
  let began = performance.now();
  for (const found of work) {
    if (found !== undefined) yield found;
    if (performance.now() - began < sliceMillis) continue;
    await setImmediate();
    began = performance.now();
  }
}
