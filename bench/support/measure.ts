import { median, spread } from '../../src/kernels/statistics.ts';

/** Seconds of one run each, in the order they were taken, with what they come to. */
export interface Measurement {
  readonly name: string;
  readonly seconds: readonly number[];
  readonly median: number;
  /** Interquartile range in seconds. */
  readonly spread: number;
  /** Median over the rounds of this contestant's seconds divided by the first contestant's. */
  readonly ratio: number;
}

/** One side of a comparison; `run` does the work once and says how many seconds it took. */
export interface Contestant {
  readonly name: string;
  readonly run: () => Promise<number>;
}

/** Seconds that a piece of work takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** How {@link alternate} goes about it. */
export interface AlternateOptions {
  /** Contestants have run already: without the run that does not count. */
  readonly warm?: boolean;
  /** Asked before each round but the first: whether those so far have to do. */
  readonly isEnough?: () => boolean;
}

/**
 * Measures contestants in turns (A B A B), so that a slow spell of the machine falls on all alike. Each warms up with one
 * run that does not count.
 */
export async function alternate(
  contestants: readonly Contestant[],
  rounds: number,
  { warm = false, isEnough = () => false }: AlternateOptions = {},
): Promise<Measurement[]> {
  if (!warm) for (const contestant of contestants) await contestant.run();
  const seconds: number[][] = contestants.map(() => []);
  for (let round = 0; round < rounds && (round === 0 || !isEnough()); round++) {
    for (const [index, contestant] of contestants.entries()) seconds[index].push(await contestant.run());
  }
  return contestants.map(({ name }, index) => ({
    name,
    seconds: seconds[index],
    median: median(seconds[index]),
    spread: spread(seconds[index]),
    ratio: median(seconds[index].map((value, round) => value / seconds[0][round])),
  }));
}
