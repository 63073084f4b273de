import { randomBlock, type StreamKey } from '../random/philox.ts';

/** Random numbers of one stream, one after another. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** A number in [low, high). */
  between(low: number, high: number): number;
  /** An integer from 0 to count - 1. */
  below(count: number): number;
}

/** Begins at the first number of a stream. */
export function randomOf(stream: StreamKey): Random {
  let taken = 0;
  let block = randomBlock(stream, 0);
  const next = () => {
    const place = taken++ % 4;
    if (place === 0) block = randomBlock(stream, (taken - 1) / 4);
    return block[place] * 2 ** -32;
  };
  return {
    next,
    between: (low, high) => low + next() * (high - low),
    below: (count) => Math.floor(next() * count),
  };
}
