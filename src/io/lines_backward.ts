import type { FileHandle } from 'node:fs/promises';

/** A line of a file, without its end. */
export interface Line {
  readonly text: string;
  /** Offset behind the line and its end, in bytes. */
  readonly end: number;
}

const lineEnd = 0x0a;

/**
 * The lines of a file, the last first; what follows the last line end is none. Reads blocks of `blockBytes`, none before the offset `from`, and
 * holds no more than one and a line: one longer than a block, or around `from`, is given without its beginning.
 */
export async function* linesBackward(
  file: FileHandle,
  blockBytes = 1 << 16,
  from = 0,
): AsyncGenerator<Line, void, undefined> {
  const { size } = await file.stat();
  let end: number | undefined; // of the line whose bytes `tail` ends with
  let tail = Buffer.alloc(0);
  for (let offset = size; offset > from; ) {
    const start = Math.max(from, offset - blockBytes);
    const block = await readBlock(file, start, offset - start);
    let until = block.length;
    for (let at = lastEnd(block, until); at >= 0; at = lastEnd(block, at)) {
      if (end !== undefined) yield { text: Buffer.concat([block.subarray(at + 1, until), tail]).toString(), end };
      end = start + at + 1;
      until = at;
      tail = Buffer.alloc(0);
    }
    tail = Buffer.concat([block.subarray(0, until), tail]).subarray(-blockBytes);
    offset = start;
  }
  if (end !== undefined) yield { text: tail.toString(), end };
}

/** Of those before `until`; -1 where there is none. */
function lastEnd(block: Buffer, until: number): number {
  return block.subarray(0, until).lastIndexOf(lineEnd);
}

async function readBlock(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const block = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(block, filled, length - filled, position + filled);
    // Somebody made the file shorter meanwhile.
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return block.subarray(0, filled);
}
