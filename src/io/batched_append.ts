import type { FileHandle } from 'node:fs/promises';

/** What is written at a time: a call to the system for every small piece takes longer than the pieces. */
const mostBytes = 1 << 20;

/** Appends many small pieces to a file, in few writes. */
export class BatchedAppend {
  readonly #file: FileHandle;
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Throws what the disk throws, of pieces before too. */
  async append(piece: Uint8Array): Promise<void> {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes >= mostBytes) await this.flush();
  }

  /** Returns when the system has all of it. */
  async flush(): Promise<void> {
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#bytes = 0;
    if (pieces.length > 0) await this.#file.appendFile(Buffer.concat(pieces));
  }
}
