import type { Stage } from '../methods/method.ts';

/** How long steps took so far, by kind, and so how long what is left will take. */
export class Pace {
  readonly #kinds = new Map<string, { seconds: number; steps: number }>();
  #last: number;

  /** `now` and those below are in milliseconds, as of `performance.now()`. */
  constructor(now: number) {
    this.#last = now;
  }

  /** A step of a stage has ended; all since the one before counts, what ends an epoch too. */
  took({ name, kind = name }: Stage, now: number): void {
    const known = this.#kinds.get(kind) ?? { seconds: 0, steps: 0 };
    known.seconds += (now - this.#last) / 1000;
    known.steps++;
    this.#kinds.set(kind, known);
    this.#last = now;
  }

  /** Of as many steps of a stage of which one has ended, and of those behind it; a kind that has not been seen goes like this one. */
  secondsLeft({ name, kind = name, later = {} }: Stage, steps: number): number {
    const own = this.#secondsOf(kind) ?? 0;
    const behind = Object.entries(later).map(([other, count]) => count * (this.#secondsOf(other) ?? own));
    return behind.reduce((sum, seconds) => sum + seconds, own * steps);
  }

  #secondsOf(kind: string): number | undefined {
    const known = this.#kinds.get(kind);
    return known && known.seconds / known.steps;
  }
}
