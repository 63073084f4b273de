import { createReadStream } from 'node:fs';

const lineEnd = 0x0a;

/** A line as bytes, without its end; empty where it is too long. Where in the file the next one begins; `torn` when no end follows it. */
export interface ByteLine {
  readonly bytes: Buffer;
  readonly next: number;
  readonly torn: boolean;
}

/**
 * The lines of a file from an offset on, and up to another, the last one too where no end follows it. Holds no more than a block and a line:
 * of one longer than `mostBytes` no byte is given.
 */
export async function* linesForward(
  path: string,
  mostBytes: number,
  start = 0,
  until = Number.POSITIVE_INFINITY,
): AsyncGenerator<ByteLine, void, undefined> {
  let pieces: Buffer[] = [];
  let bytes = 0; // of the line so far, those that are not held too
  let next = start;
  const take = (piece: Buffer) => {
    bytes += piece.length;
    if (bytes > mostBytes) pieces = [];
    else pieces.push(piece);
  };
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18, start, end: until - 1 })) {
    const block = chunk as Buffer;
    let begin = 0;
    for (let end = block.indexOf(lineEnd); end >= 0; end = block.indexOf(lineEnd, begin)) {
      take(block.subarray(begin, end));
      next += bytes + 1;
      yield { bytes: pieces.length === 1 ? pieces[0] : Buffer.concat(pieces), next, torn: false };
      pieces = [];
      bytes = 0;
      begin = end + 1;
    }
    take(block.subarray(begin));
  }
  if (bytes > 0 && bytes <= mostBytes) yield { bytes: Buffer.concat(pieces), next: next + bytes, torn: true };
}
