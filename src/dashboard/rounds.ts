import { setTimeout as pause } from 'node:timers/promises';

/** How much of the time looking may take at most: what a look took is rested for thrice as long. */
const restPerWork = 3;

/** Work that is done again and again, one round at a time, with pauses; a round that throws is as good as another. */
export class Rounds {
  readonly #work: () => Promise<void>;
  readonly #millis: number;
  /** Ends when the rounds that were begun before have ended. */
  #loop: Promise<void> = Promise.resolve();
  #stopped: AbortController | undefined;
  #awake = new AbortController();
  #isDue = false;

  constructor(work: () => Promise<void>, millis: number) {
    this.#work = work;
    this.#millis = millis;
  }

  /** Begins, at once where a pause has been going on. */
  start(): void {
    this.#isDue = true;
    this.#awake.abort();
    if (this.#stopped !== undefined) return;
    const stopped = new AbortController();
    this.#stopped = stopped;
    this.#loop = this.#loop.then(() => this.#run(stopped.signal));
  }

  stop(): void {
    this.#stopped?.abort();
    this.#stopped = undefined;
  }

  async #run(stopped: AbortSignal): Promise<void> {
    while (!stopped.aborted) {
      this.#isDue = false;
      this.#awake = new AbortController();
      const began = performance.now();
      await this.#work().catch(() => {});
      if (this.#isDue) continue;
      const millis = Math.max(this.#millis, restPerWork * (performance.now() - began));
      const signal = AbortSignal.any([stopped, this.#awake.signal]);
      await pause(millis, undefined, { signal }).catch(() => {});
    }
  }
}
