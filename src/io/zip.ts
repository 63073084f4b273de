// The entries of a zip archive, found by its directory. Sizes are not believed: an entry is unpacked into what its directory says
// and not a byte more, so that an archive of a few bytes cannot fill the memory.
import { Buffer } from 'node:buffer';
import { inflateRawSync } from 'node:zlib';

/** An entry as the directory describes it. */
export interface ZipEntry {
  /** 0 for stored, 8 for deflated. */
  readonly method: number;
  readonly packedBytes: number;
  readonly bytes: number;
  /** Of its local header. */
  readonly offset: number;
}

const signatures = { local: 0x04034b50, entry: 0x02014b50, end: 0x06054b50, locator64: 0x07064b50, end64: 0x06064b50 };
/** An end record of 22 bytes and a comment. */
const longestEnd = 22 + 0xffff;
const unknown32 = 0xffffffff;

/** The entries by name, none of them unpacked. Throws Error for a damaged directory. */
export function listZip(archive: Uint8Array): Map<string, ZipEntry> {
  return orDamaged(() => readDirectory(Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength)));
}

/** The bytes of an entry. Throws Error where they are not what the directory says. */
export function unpackZip(archive: Uint8Array, entry: ZipEntry): Uint8Array {
  return orDamaged(() => unpack(Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength), entry));
}

function readDirectory(bytes: Buffer): Map<string, ZipEntry> {
  let { count, at } = findDirectory(bytes);
  // An entry of the directory takes 46 bytes at least.
  if (count * 46 > bytes.length) throw new Error('expected fewer entries in the zip archive');
  const entries = new Map<string, ZipEntry>();
  for (; count > 0; count--) {
    expect(bytes, at, signatures.entry);
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) => bytes.readUInt16LE(at + field));
    const extra = at + 46 + nameBytes;
    const [size, packedBytes, offset] = wideFields(
      [24, 20, 42].map((field) => bytes.readUInt32LE(at + field)),
      bytes.subarray(extra, extra + extraBytes),
    );
    if ((bytes.readUInt16LE(at + 8) & 1) !== 0) throw new Error('expected a zip archive without encryption');
    const method = bytes.readUInt16LE(at + 10);
    entries.set(bytes.toString('utf8', at + 46, extra), { method, packedBytes, bytes: size, offset });
    at = extra + extraBytes + commentBytes;
  }
  return entries;
}

function unpack(bytes: Buffer, { method, packedBytes, bytes: size, offset }: ZipEntry): Uint8Array {
  expect(bytes, offset, signatures.local);
  const begin = offset + 30 + bytes.readUInt16LE(offset + 26) + bytes.readUInt16LE(offset + 28);
  if (begin + packedBytes > bytes.length) throw new Error('expected the bytes of an entry but the zip archive ends');
  const packed = bytes.subarray(begin, begin + packedBytes);
  if (method === 0 && packedBytes === size) return packed;
  if (method !== 8) throw new Error('expected an entry of the zip archive that is stored or deflated');
  const unpacked = size === 0 ? packed.subarray(0, 0) : inflateRawSync(packed, { maxOutputLength: size });
  if (unpacked.length !== size) throw new Error(`expected an entry of ${size} bytes but got ${unpacked.length}`);
  return unpacked;
}

function findDirectory(bytes: Buffer): { count: number; at: number } {
  for (let end = bytes.length - 22; end >= Math.max(0, bytes.length - longestEnd); end--) {
    if (bytes.readUInt32LE(end) !== signatures.end) continue;
    const [count, at] = [bytes.readUInt16LE(end + 10), bytes.readUInt32LE(end + 16)];
    if (count !== 0xffff && at !== unknown32) return { count, at };
    expect(bytes, end - 20, signatures.locator64);
    const end64 = Number(bytes.readBigUInt64LE(end - 12));
    expect(bytes, end64, signatures.end64);
    return { count: Number(bytes.readBigUInt64LE(end64 + 32)), at: Number(bytes.readBigUInt64LE(end64 + 48)) };
  }
  throw new Error('expected a zip archive with a directory at its end');
}

/** Fields that do not fit 32 bits stand in the extra field of number 1, in this order. */
function wideFields(fields: readonly number[], extra: Buffer): number[] {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    let next = at + 4;
    return fields.map((field) => {
      if (field !== unknown32) return field;
      next += 8;
      return Number(extra.readBigUInt64LE(next - 8));
    });
  }
  return [...fields];
}

function expect(bytes: Buffer, at: number, signature: number): void {
  if (bytes.readUInt32LE(at) !== signature) throw new Error('expected a whole zip archive');
}

/** Places that lie outside of the file and packed bytes that are damaged show as errors of Node's. */
function orDamaged<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && !('code' in error)) throw error;
    throw new Error('expected a whole zip archive', { cause: error });
  }
}
