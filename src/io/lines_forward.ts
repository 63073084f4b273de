import { createReadStream } from 'node:fs';

const lineEnd = 0x0a;

/**
 * The lines of a file as bytes, without their ends, the last one too where no end follows it. Holds no more than a block and a line:
 * one longer than `mostBytes` is passed over.
 */
export async function* linesForward(path: string, mostBytes: number): AsyncGenerator<Buffer, void, undefined> {
  let pieces: Buffer[] = [];
  let bytes = 0; // of the line so far, those that are passed over too
  const take = (piece: Buffer) => {
    bytes += piece.length;
    if (bytes > mostBytes) pieces = [];
    else pieces.push(piece);
  };
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) {
    const block = chunk as Buffer;
    let begin = 0;
    for (let end = block.indexOf(lineEnd); end >= 0; end = block.indexOf(lineEnd, begin)) {
      take(block.subarray(begin, end));
      if (bytes <= mostBytes) yield pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
      pieces = [];
      bytes = 0;
      begin = end + 1;
    }
    take(block.subarray(begin));
  }
  if (bytes > 0 && bytes <= mostBytes) yield Buffer.concat(pieces);
}
