// Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11): a pure function of
// key and counter, so that every random number is named by what it is for instead of by when it was drawn.
// native/engine/philox.h computes the same; test/unit/random holds both to the published vectors.

/** What a random stream is for; a part of every counter, so that streams never overlap. The native side knows the same numbers. */
export const purposes = {
  weights: 1,
  architecture: 2,
  split: 3,
  trainOrder: 4,
  validationOrder: 5,
  trainAugmentation: 6,
  validationAugmentation: 7,
  dropout: 8,
  imageAugmentation: 9,
  mixup: 10,
  textLength: 11,
  recurrentGenotype: 12,
  sampling: 13,
  randomGenotype: 14,
} as const;

/** The name of a random stream. */
export type Purpose = keyof typeof purposes;

/** Names one random stream: everything but the index within it. */
export interface StreamKey {
  /** A safe non-negative integer; its low and high 32 bits are the key. */
  readonly seed: number;
  readonly purpose: Purpose;
  readonly epoch: number;
  readonly step: number;
  /** Tells apart streams that agree in all else; below 2^24, 0 when absent. */
  readonly part?: number;
}

const multiplierA = 0xd2511f53;
const multiplierB = 0xcd9e8d57;
const weylA = 0x9e3779b9;
const weylB = 0xbb67ae85;

/** The high 32 bits of the 64-bit product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const low = aLow * bLow;
  const middle = aHigh * bLow + (low >>> 16);
  const other = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(other / 65536)) >>> 0;
}

/** Ten rounds of Philox 4x32: four unsigned 32-bit integers from a counter of four and a key of two. */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(multiplierA, c0);
    const low0 = Math.imul(multiplierA, c0) >>> 0;
    const high1 = multiplyHigh(multiplierB, c2);
    const low1 = Math.imul(multiplierB, c2) >>> 0;
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + weylA) >>> 0;
    k1 = (k1 + weylB) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** The `index`-th block of four unsigned 32-bit integers of a stream. */
export function randomBlock(stream: StreamKey, index: number): [number, number, number, number] {
  const key = [stream.seed >>> 0, Math.floor(stream.seed / 2 ** 32) >>> 0] as const;
  const purpose = (purposes[stream.purpose] + (stream.part ?? 0) * 256) >>> 0;
  return philox([purpose, stream.epoch >>> 0, stream.step >>> 0, index >>> 0], key);
}

/**
 * `count` uniform numbers in [0, 1), each a multiple of 2^-24 and so exact in float32: those of the stream from the `first` on,
 * which must be a multiple of 4.
 */
export function uniform(stream: StreamKey, count: number, first = 0): Float64Array {
  const values = new Float64Array(count);
  for (let i = 0; i < count; i += 4) {
    const block = randomBlock(stream, (first + i) / 4);
    for (let j = 0; j < 4 && i + j < count; j++) values[i + j] = (block[j] >>> 8) * 2 ** -24;
  }
  return values;
}

/** `count` standard normal numbers by the Box-Muller transform: those of the stream from the `first` on, which must be even. */
export function normal(stream: StreamKey, count: number, first = 0): Float64Array {
  const values = new Float64Array(count);
  for (let i = 0; i < count; i += 2) {
    const block = randomBlock(stream, (first + i) / 2);
    const radius = Math.sqrt(-2 * Math.log((block[0] + 1) * 2 ** -32));
    const angle = 2 * Math.PI * block[1] * 2 ** -32;
    values[i] = radius * Math.cos(angle);
    if (i + 1 < count) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}

/** `count` integers from `low` on, each of the next `size` as likely: those of the stream from the `first` on, a multiple of 4. */
export function integers(stream: StreamKey, low: number, size: number, count: number, first = 0): Int32Array {
  const values = new Int32Array(count);
  for (let i = 0; i < count; i += 4) {
    const block = randomBlock(stream, (first + i) / 4);
    for (let j = 0; j < 4 && i + j < count; j++) values[i + j] = low + multiplyHigh(block[j], size);
  }
  return values;
}

/** A permutation of 0..count-1 (Fisher-Yates). */
export function permutation(stream: StreamKey, count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor((randomBlock(stream, i)[0] / 2 ** 32) * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** `size` of 0..count-1, none twice, in random order: where Fisher-Yates from the front would stand after as many exchanges. */
export function sample(stream: StreamKey, count: number, size: number): Uint32Array {
  // Only places that an exchange has touched.
  const moved = new Map<number, number>();
  return Uint32Array.from({ length: size }, (_, i) => {
    const j = i + Math.floor((randomBlock(stream, i)[0] / 2 ** 32) * (count - i));
    const drawn = moved.get(j) ?? j;
    moved.set(j, moved.get(i) ?? i);
    return drawn;
  });
}
