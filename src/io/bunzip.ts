import { Buffer } from 'node:buffer';
import { createRequire } from 'node:module';

/** What is used of seek-bzip, which brings no types. */
interface SeekBzip {
  /** Hands every byte to `output`, with the checksums of its blocks; `multistream` goes on behind the end of a first stream. */
  decode(input: Uint8Array, output: { writeByte(byte: number): void }, multistream: boolean): unknown;
}

const { decode } = createRequire(import.meta.url)('seek-bzip') as SeekBzip;

/** The bytes of a bzip2 file, at most so many. Throws Error where it is damaged or holds more, before more is taken. */
export function bunzip(packed: Uint8Array, mostBytes: number): Uint8Array {
  const sink = new Sink(mostBytes);
  try {
    decode(Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength), sink, true);
  } catch (error) {
    if (error instanceof TooMany) throw error;
    throw new Error(`expected a whole bzip2 file (${(error as Error).message})`, { cause: error });
  }
  return sink.bytes.subarray(0, sink.length);
}

class TooMany extends Error {}

/** Grows as bytes come, since a bzip2 file does not say how many there are. */
class Sink {
  readonly #most: number;
  bytes = Buffer.allocUnsafe(1 << 16);
  length = 0;

  constructor(most: number) {
    this.#most = most;
  }

  writeByte(byte: number): void {
    if (this.length === this.bytes.length) this.#grow();
    this.bytes[this.length++] = byte;
  }

  #grow(): void {
    if (this.length >= this.#most) throw new TooMany(`expected a bzip2 file of at most ${this.#most} bytes unpacked`);
    const grown = Buffer.allocUnsafe(Math.min(this.#most, 2 * this.length));
    this.bytes.copy(grown);
    this.bytes = grown;
  }
}
