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

/**
 * Measures contestants in turns (A B A B), so that a slow spell of the machine falls on all alike. Each warms up with one
 * run that does not count.
 */
export async function alternate(contestants: readonly Contestant[], rounds: number): Promise<Measurement[]> {
  for (const contestant of contestants) await contestant.run();
  const seconds: number[][] = contestants.map(() => []);
  for (let round = 0; round < rounds; round++) {
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
