// The regular files of a tar archive (POSIX ustar and what GNU tar writes), found without reading what they hold.
import type { FileHandle } from 'node:fs/promises';
import { oneLine } from '../describe.ts';

/** A file in the archive. */
export interface TarEntry {
  readonly name: string;
  /** Of its first byte. */
  readonly offset: number;
  readonly bytes: number;
}

const blockBytes = 512;
/** Of regular files; the former is that of old tars. */
const regular: readonly string[] = ['\0', '0'];

/** The files in their order; folders, links and extended headers are passed over. Throws Error for what is no whole archive. */
export async function* listTar(file: FileHandle): AsyncGenerator<TarEntry, void, undefined> {
  const { size } = await file.stat();
  const block = Buffer.alloc(blockBytes);
  for (let at = 0; at < size; ) {
    const { bytesRead } = await file.read(block, 0, blockBytes, at);
    if (bytesRead < blockBytes) throw new Error(`the tar archive ends within a header at byte ${at}`);
    // Two empty blocks, of which the first is enough, end it.
    if (block.every((byte) => byte === 0)) return;
    const entry = readHeader(block, at);
    const end = entry.offset + entry.bytes;
    if (end > size) throw new Error(`the tar archive ends within ${oneLine(entry.name)}`);
    if (regular.includes(entry.type)) yield { name: entry.name, offset: entry.offset, bytes: entry.bytes };
    at = blockBytes * Math.ceil(end / blockBytes);
  }
}

function readHeader(block: Buffer, at: number): TarEntry & { readonly type: string } {
  const [bytes, checksum] = [readNumber(block, 124, 12), readNumber(block, 148, 8)];
  // The sum is taken with blanks in its own place.
  const sum = block.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0);
  if (sum !== checksum || !Number.isSafeInteger(bytes))
    throw new Error(`expected a header of a tar archive at byte ${at}`);
  const prefix = block.toString('latin1', 257, 262) === 'ustar' ? readText(block, 345, 155) : '';
  const name = readText(block, 0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    offset: at + blockBytes,
    bytes,
    type: String.fromCharCode(block[156]),
  };
}

/** Octal digits, or in big files of GNU tar bytes behind a first one of 0x80; NaN for anything else. */
function readNumber(block: Buffer, from: number, length: number): number {
  if (block[from] === 0x80) return Number(block.readBigUInt64BE(from + length - 8));
  const text = readText(block, from, length).trim();
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
}

function readText(block: Buffer, from: number, length: number): string {
  const end = block.indexOf(0, from);
  return block.toString('utf8', from, end < 0 ? from + length : Math.min(end, from + length));
}
