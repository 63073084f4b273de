import { describe, expect, it } from 'vitest';
import { WordTable } from '../../../../src/data/text/word_table.ts';

const bytesOf = (word: string) => new TextEncoder().encode(word);

/** Two words of the same length and the same hash in a table. */
function colliding(table: WordTable): [Uint8Array, Uint8Array] {
  const seen = new Map<number, Uint8Array>();
  for (let number = 1e6; ; number++) {
    const word = bytesOf(`w${number}`);
    const hash = table.hashOf(word, 0, word.length);
    const other = seen.get(hash);
    if (other !== undefined) return [other, word];
    seen.set(hash, word);
  }
}

describe('WordTable', () => {
  it('tells words of the same hash apart', () => {
    const table = new WordTable();
    const [first, second] = colliding(table);
    const hash = table.hashOf(first, 0, first.length);
    expect(table.add(first, 0, first.length, hash)).toBe(0);
    expect(table.find(second, 0, second.length, hash)).toBe(-1);
    expect(table.add(second, 0, second.length, hash)).toBe(1);
    for (const [number, word] of [first, second].entries()) expect(table.find(word, 0, word.length, hash)).toBe(number);
    // A beginning of a word is another word, whatever its hash.
    expect(table.find(first, 0, first.length - 1, hash)).toBe(-1);
  });

  it('finds every word while it grows', () => {
    const table = new WordTable();
    for (let number = 0; number < 10_000; number++) {
      const word = bytesOf(`${number}`);
      const hash = table.hashOf(word, 0, word.length);
      expect(table.find(word, 0, word.length, hash)).toBe(-1);
      expect(table.add(word, 0, word.length, hash)).toBe(number);
      const earlier = bytesOf(`${number >> 1}`);
      expect(table.find(earlier, 0, earlier.length, table.hashOf(earlier, 0, earlier.length))).toBe(number >> 1);
    }
    const { bytes, ends } = table.contents;
    expect(new TextDecoder().decode(bytes.subarray(ends[9_998], ends[10_000]))).toBe('99989999');
    expect(ends).toHaveLength(10_001);
  });

  it('has room for so many bytes', () => {
    const table = new WordTable();
    expect(table.hasRoom(2 ** 26)).toBe(true);
    expect(table.hasRoom(2 ** 26 + 1)).toBe(false);
  });

  it('has another hash in each table', () => {
    expect(new Set(Array.from({ length: 5 }, () => new WordTable().seed)).size).toBeGreaterThan(1);
  });
});
