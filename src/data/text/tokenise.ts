// Words of a text as numbers. A line is split at white space and `<eos>` follows it; it ends at LF, CRLF or CR, the last one also at the end.
import { DataError } from '../../errors.ts';
import { corrupt, type DataFile, yieldToEventLoop } from '../files.ts';
import { grown } from './grown.ts';
import { invalidByte } from './utf8.ts';
import { byteKinds, isLetter, kindOfByte, wideSpaceAt } from './white_space.ts';
import { mostWords, WordTable } from './word_table.ts';

/** What follows every line. */
export const endOfLine = '<eos>';

/** How a text is read. */
export interface TokeniseOptions {
  /** Tokens to keep, the first ones; all when absent. What lies behind them is not looked at. */
  readonly limit?: number;
  /** Whether words that the table lacks are added to it; else they are refused. */
  readonly isOpen: boolean;
  readonly signal?: AbortSignal;
}

/** In bytes. What is longer is no text of words, and a string of it might not even exist. */
const longestWord = 2 ** 20;
/** About a millisecond of work. */
const bytesPerTurn = 2 ** 17;

const { letter, lineEnd, wideSpace } = byteKinds;

/**
 * The tokens of a file of words. Throws DataError for what is not UTF-8, for an empty text, for a word of a megabyte and for one that the
 * table lacks or has no room for, each with its byte; AbortedError.
 */
export async function tokenise(file: DataFile, table: WordTable, options: TokeniseOptions): Promise<Int32Array> {
  const { path, bytes } = file;
  await yieldToEventLoop(options.signal);
  const wrong = invalidByte(bytes);
  if (wrong !== undefined) throw corrupt(path, wrong, 'UTF-8', `0x${bytes[wrong].toString(16).padStart(2, '0')}`);
  const reader = new Reader(file, table, options);
  while (reader.readTo(reader.at + bytesPerTurn)) await yieldToEventLoop(options.signal);
  if (reader.tokens.length > 0) return reader.tokens;
  throw new DataError(`${path}: expected a text with at least one line, found an empty file`);
}

/** Reads a file from its beginning to its end or to the last token that is wanted. */
class Reader {
  at = 0;
  readonly #path: string;
  readonly #bytes: Uint8Array;
  readonly #table: WordTable;
  readonly #isOpen: boolean;
  readonly #limit: number;
  #tokens = new Int32Array(2 ** 12);
  #count = 0;
  #lineBegin = 0;
  /** The number of `<eos>`, once a line has ended. */
  #endOfLine = -1;

  constructor(
    { path, bytes }: DataFile,
    table: WordTable,
    { isOpen, limit = Number.POSITIVE_INFINITY }: TokeniseOptions,
  ) {
    this.#path = path;
    this.#bytes = bytes;
    this.#table = table;
    this.#isOpen = isOpen;
    this.#limit = limit;
  }

  get tokens(): Int32Array {
    return this.#tokens.slice(0, this.#count);
  }

  /** Reads on to the end of the word or line that reaches `stop`; whether there is more to read. */
  readTo(stop: number): boolean {
    const bytes = this.#bytes;
    while (this.at < stop && this.#count < this.#limit) {
      if (this.at === bytes.length) {
        if (this.#lineBegin < this.at) this.#endLine(this.at);
        return false;
      }
      const kind = kindOfByte[bytes[this.at]];
      const space = kind === wideSpace ? wideSpaceAt(bytes, this.at) : kind === letter ? 0 : 1;
      if (space === 0) this.#readWord();
      else if (kind === lineEnd)
        this.#endLine(this.at + (bytes[this.at] === 0x0d && bytes[this.at + 1] === 0x0a ? 2 : 1));
      else this.at += space;
    }
    return this.#count < this.#limit;
  }

  #endLine(next: number): void {
    if (this.#endOfLine < 0) {
      const word = new TextEncoder().encode(endOfLine);
      const hash = this.#table.hashOf(word, 0, word.length);
      this.#endOfLine = this.#numberOf(word, 0, word.length, hash);
    }
    this.#push(this.#endOfLine);
    this.at = this.#lineBegin = next;
  }

  #readWord(): void {
    const bytes = this.#bytes;
    const begin = this.at;
    let at = begin;
    let hash = this.#table.seed;
    do {
      hash = WordTable.mix(hash, bytes[at++]);
    } while (at < bytes.length && isLetter(bytes, at));
    if (at - begin > longestWord) {
      throw corrupt(this.#path, begin, `a word of at most ${longestWord} bytes`, `one of ${at - begin}`);
    }
    this.#push(this.#numberOf(bytes, begin, at, hash));
    this.at = at;
  }

  #push(token: number): void {
    this.#tokens = grown(this.#tokens, this.#count + 1);
    this.#tokens[this.#count++] = token;
  }

  #numberOf(bytes: Uint8Array, begin: number, end: number, hash: number): number {
    const known = this.#table.find(bytes, begin, end, hash);
    if (known >= 0) return known;
    if (this.#isOpen && this.#table.hasRoom(end - begin)) return this.#table.add(bytes, begin, end, hash);
    const wanted = this.#isOpen
      ? `at most ${mostWords} different words, of 64 MiB in all`
      : `a word of the vocabulary, which has ${this.#table.size}`;
    throw corrupt(this.#path, this.at, wanted, `another: ${JSON.stringify(wordOf(bytes.subarray(begin, end)))}`);
  }
}

/** The beginning of a word, for messages. */
function wordOf(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(0, 80)).slice(0, 40);
}
