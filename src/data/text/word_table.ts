import { randomInt } from 'node:crypto';
import { grown } from './grown.ts';

/** Words of a table at most, which a Map of them may have too, and their bytes in all, of which JSON is a string still. */
export const mostWords = 2 ** 24;
const mostBytes = 2 ** 26;

const prime = 0x01000193;

/**
 * Words as bytes, numbered from 0 in the order in which they are added. Looking one up costs a hash and, nearly always, one comparison, and
 * makes no string: of a hundred megabytes of text only the few words that differ are decoded.
 */
export class WordTable {
  /** The number plus 1 of the word whose hash leads there; 0 where there is none. At most half of them are taken. */
  #slots = new Int32Array(2 ** 12);
  #hashes = new Int32Array(2 ** 11);
  /** Of word n the bytes from ends[n] to ends[n + 1]. */
  #ends = new Uint32Array(2 ** 11);
  #bytes = new Uint8Array(2 ** 14);
  #size = 0;

  /** Where every hash begins: another one in each table, so that no text can be made whose words all collide. */
  readonly seed: number = randomInt(2 ** 31);

  get size(): number {
    return this.#size;
  }

  /** The bytes of all words, one after another, and where each of them ends behind a first 0. */
  get contents(): { readonly bytes: Uint8Array; readonly ends: Uint32Array } {
    return { bytes: this.#bytes, ends: this.#ends.subarray(0, this.#size + 1) };
  }

  /** Whether words of this many bytes more have room. */
  hasRoom(bytes: number): boolean {
    return this.#size < mostWords && this.#ends[this.#size] + bytes <= mostBytes;
  }

  /** A hash with a byte more. */
  static mix(hash: number, byte: number): number {
    return Math.imul(hash ^ byte, prime);
  }

  /** The hash of some bytes. */
  hashOf(bytes: Uint8Array, begin: number, end: number): number {
    let hash = this.seed;
    for (let i = begin; i < end; i++) hash = WordTable.mix(hash, bytes[i]);
    return hash;
  }

  /** The number of a word whose hash is known; -1 where it is not in the table. */
  find(bytes: Uint8Array, begin: number, end: number, hash: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = slotOf(hash) & mask; ; slot = (slot + 1) & mask) {
      const number = this.#slots[slot] - 1;
      if (number < 0 || (this.#hashes[number] === hash && this.#isWord(number, bytes, begin, end))) return number;
    }
  }

  /** Adds a word that is not there and has room; returns its number. */
  add(bytes: Uint8Array, begin: number, end: number, hash: number): number {
    const number = this.#size++;
    const start = this.#ends[number];
    this.#hashes = grown(this.#hashes, number + 1);
    this.#ends = grown(this.#ends, number + 2);
    this.#bytes = grown(this.#bytes, start + end - begin);
    this.#hashes[number] = hash;
    this.#ends[number + 1] = start + end - begin;
    this.#bytes.set(bytes.subarray(begin, end), start);
    if (2 * this.#size > this.#slots.length) this.#rehash();
    else this.#place(number);
    return number;
  }

  #isWord(number: number, bytes: Uint8Array, begin: number, end: number): boolean {
    const start = this.#ends[number];
    if (this.#ends[number + 1] - start !== end - begin) return false;
    for (let i = begin; i < end; i++) if (this.#bytes[start + i - begin] !== bytes[i]) return false;
    return true;
  }

  #rehash(): void {
    this.#slots = new Int32Array(2 * this.#slots.length);
    for (let number = 0; number < this.#size; number++) this.#place(number);
  }

  #place(number: number): void {
    const mask = this.#slots.length - 1;
    let slot = slotOf(this.#hashes[number]) & mask;
    while (this.#slots[slot] > 0) slot = (slot + 1) & mask;
    this.#slots[slot] = number + 1;
  }
}

/** Spreads a hash over the low bits, which a last byte alone would hardly reach otherwise. */
function slotOf(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return mixed ^ (mixed >>> 13);
}
