// How far two arrays are apart.

/** Length of a - b relative to that of b; of a zero b, the length of a. Infinity for NaN or another number of elements. */
export function distance(a: Float32Array, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let [difference, length] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    length += b[i] ** 2;
  }
  const result = Math.sqrt(difference) / (length > 0 ? Math.sqrt(length) : 1);
  return Number.isNaN(result) ? Number.POSITIVE_INFINITY : result;
}

/** The first element whose bits differ, for people; undefined where none does. */
export function firstDifference(a: Float32Array, b: Float32Array): string | undefined {
  if (a.length !== b.length) return `${a.length} elements and ${b.length}`;
  const [left, right] = [bitsOf(a), bitsOf(b)];
  const index = left.findIndex((bits, i) => bits !== right[i]);
  return index < 0 ? undefined : `element ${index} of ${a.length}: ${a[index]} and ${b[index]}`;
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}
