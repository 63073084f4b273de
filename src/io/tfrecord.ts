// TFRecord, the framing of TensorFlow's files: a record's length as uint64 and the checksum of that, then its bytes and theirs.
import { createReadStream } from 'node:fs';
import { crc32c } from './crc32c.ts';

const headBytes = 12;
const footBytes = 4;

/** No record of ours comes near: a length that says more is torn or none. */
const longestRecord = 2 ** 30;

/** A record as a file has it. */
export function frameRecord(record: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(headBytes + record.length + footBytes);
  framed.writeBigUInt64LE(BigInt(record.length), 0);
  framed.writeUInt32LE(masked(framed.subarray(0, 8)), 8);
  framed.set(record, headBytes);
  framed.writeUInt32LE(masked(record), headBytes + record.length);
  return framed;
}

/** The records of a file up to where it is torn or damaged. Holds no more than one of them and a block; throws what the disk throws. */
export async function* readRecords(path: string): AsyncGenerator<Buffer, void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const block of createReadStream(path, { highWaterMark: 1 << 20 })) {
    rest = rest.length === 0 ? (block as Buffer) : Buffer.concat([rest, block as Buffer]);
    let begin = 0;
    for (;;) {
      const length = lengthAt(rest, begin);
      if (length === 'damaged') return;
      const end = begin + headBytes + (length ?? 0) + footBytes;
      if (length === undefined || rest.length < end) break;
      const record = rest.subarray(begin + headBytes, end - footBytes);
      if (rest.readUInt32LE(end - footBytes) !== masked(record)) return;
      yield record;
      begin = end;
    }
    rest = rest.subarray(begin);
  }
}

/** Of the record that begins at a place; undefined where the bytes do not tell it yet. */
function lengthAt(bytes: Buffer, begin: number): number | 'damaged' | undefined {
  if (bytes.length < begin + headBytes) return undefined;
  const length = Number(bytes.readBigUInt64LE(begin));
  const isWhole = bytes.readUInt32LE(begin + 8) === masked(bytes.subarray(begin, begin + 8));
  return isWhole && length <= longestRecord ? length : 'damaged';
}

/** Checksums of bytes that hold checksums themselves are weak, so the format turns and shifts them. */
function masked(bytes: Uint8Array): number {
  const value = crc32c(bytes);
  return (((value >>> 15) | (value << 17)) + 0xa282ead8) >>> 0;
}
