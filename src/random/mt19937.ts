// MT19937 (Matsumoto, Nishimura, "Mersenne Twister", ACM TOMACS 8, 1998; mt19937ar.c of 2002), for what the programs of others drew with
// it: Python's random seeds it by an array, NumPy's RandomState by one integer. What is drawn here for ourselves is Philox.
import { anInteger, check, listOf, type Rule } from '../checks.ts';

const size = 624;
const middle = 397;
const aWord = anInteger(0, 2 ** 32 - 1);
const words = listOf(aWord, 'a list of integers below 2^32, not empty');
const aKey: Rule = { ...words, holds: (value) => words.holds(value) && (value as readonly unknown[]).length > 0 };

/** A generator of unsigned 32-bit integers, each of which depends on those before it. */
export interface Mt19937 {
  /** The next one. */
  next(): number;
}

/** The generator that `init_genrand(seed)` begins, as `numpy.random.seed` does; the seed is an unsigned 32-bit integer. */
export function mt19937(seed: number): Mt19937 {
  check('seed', seed, aWord);
  return generatorOf(initialState(seed));
}

/** The generator that `init_by_array(key)` begins: `random.seed(n)` of Python for n below 2^32 is the key [n]. */
export function mt19937ByArray(key: readonly number[]): Mt19937 {
  check('key', key, aKey);
  const state = initialState(19650218);
  let i = 1;
  const mix = (multiplier: number, change: (mixed: number) => number) => {
    const before = state[i - 1] ^ (state[i - 1] >>> 30);
    state[i] = change(state[i] ^ Math.imul(before, multiplier));
    i++;
    if (i < size) return;
    state[0] = state[size - 1];
    i = 1;
  };
  for (let step = 0; step < Math.max(size, key.length); step++) {
    const j = step % key.length;
    mix(1664525, (mixed) => mixed + key[j] + j);
  }
  for (let step = 1; step < size; step++) mix(1566083941, (mixed) => mixed - i);
  state[0] = 0x80000000;
  return generatorOf(state);
}

/**
 * A position below `count` as NumPy's `randint` and `choice` of RandomState draw it: outputs masked to the bits of count - 1, until one
 * is below count. A count of 1 takes no output.
 */
export function maskedBelow(generator: Mt19937, count: number): number {
  check('count', count, anInteger(1, 2 ** 32));
  if (count === 1) return 0;
  const mask = 0xffffffff >>> Math.clz32(count - 1);
  for (;;) {
    const position = (generator.next() & mask) >>> 0;
    if (position < count) return position;
  }
}

/** The same as Python's `random` draws it: the top bits of outputs, as many as count has, until they are below count. */
export function topBitsBelow(generator: Mt19937, count: number): number {
  check('count', count, anInteger(1, 2 ** 32 - 1));
  const shift = Math.clz32(count);
  for (;;) {
    const position = generator.next() >>> shift;
    if (position < count) return position;
  }
}

/** Shuffles a list in place as Python's `random.shuffle` does. */
export function shuffleAsPython<T>(generator: Mt19937, list: T[]): void {
  for (let i = list.length - 1; i > 0; i--) {
    const j = topBitsBelow(generator, i + 1);
    [list[i], list[j]] = [list[j], list[i]];
  }
}

function initialState(seed: number): Uint32Array {
  const state = new Uint32Array(size);
  state[0] = seed;
  for (let i = 1; i < size; i++) state[i] = Math.imul(state[i - 1] ^ (state[i - 1] >>> 30), 1812433253) + i;
  return state;
}

function generatorOf(state: Uint32Array): Mt19937 {
  let used = size;
  return {
    next() {
      if (used === size) {
        twist(state);
        used = 0;
      }
      return tempered(state[used++]);
    },
  };
}

function twist(state: Uint32Array): void {
  for (let i = 0; i < size; i++) {
    const joined = (state[i] & 0x80000000) | (state[(i + 1) % size] & 0x7fffffff);
    state[i] = state[(i + middle) % size] ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0);
  }
}

function tempered(word: number): number {
  let mixed = word ^ (word >>> 11);
  mixed ^= (mixed << 7) & 0x9d2c5680;
  mixed ^= (mixed << 15) & 0xefc60000;
  return (mixed ^ (mixed >>> 18)) >>> 0;
}
