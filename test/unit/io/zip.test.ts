import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { listZip, unpackZip } from '../../../src/io/zip.ts';

const text = Buffer.from('a text that is long enough to be deflated, deflated, deflated, deflated, deflated');
const archive = () =>
  Buffer.from(zipSync({ 'a/stored': [text, { level: 0 }], packed: [text, { level: 9 }], none: new Uint8Array() }));

/** The archive as one of more than 4 GiB would be: sizes and places stand in fields of 64 bits. */
function wide(): Buffer {
  const bytes = archive();
  const begin = bytes.indexOf('PK\x01\x02');
  const end = bytes.lastIndexOf('PK\x05\x06');
  const entries: Buffer[] = [];
  for (let at = begin; at < end; ) {
    const [nameBytes, extraBytes] = [bytes.readUInt16LE(at + 28), bytes.readUInt16LE(at + 30)];
    const entry = Buffer.from(bytes.subarray(at, at + 46 + nameBytes));
    const extra = Buffer.alloc(4 + 4 + 24);
    // Another field before the one that counts.
    extra.writeUInt16LE(0x7777, 0);
    extra.writeUInt16LE(1, 4);
    extra.writeUInt16LE(24, 6);
    for (const [index, field] of [24, 20, 42].entries()) {
      extra.writeBigUInt64LE(BigInt(entry.readUInt32LE(field)), 8 + 8 * index);
      entry.writeUInt32LE(0xffffffff, field);
    }
    entry.writeUInt16LE(extra.length, 30);
    entries.push(entry, extra);
    at += 46 + nameBytes + extraBytes;
  }
  const head = bytes.subarray(0, begin);
  const directory = Buffer.concat(entries);
  const end64 = Buffer.alloc(56);
  end64.write('PK\x06\x06', 'latin1');
  end64.writeBigUInt64LE(BigInt(entries.length / 2), 32);
  end64.writeBigUInt64LE(BigInt(begin), 48);
  const locator = Buffer.alloc(20);
  locator.write('PK\x06\x07', 'latin1');
  locator.writeBigUInt64LE(BigInt(begin + directory.length), 8);
  const last = Buffer.from(bytes.subarray(end));
  last.writeUInt16LE(0xffff, 10);
  last.writeUInt32LE(0xffffffff, 16);
  return Buffer.concat([head, directory, end64, locator, last]);
}

describe('zip archives', () => {
  it.each([
    ['plain', archive],
    ['of 64 bits', wide],
    ['with a comment', () => Buffer.concat([archive(), Buffer.from('PK\x05 a comment')])],
  ])('give their entries: %s', (_, make) => {
    const bytes = make();
    const entries = listZip(bytes);
    expect([...entries.keys()]).toEqual(['a/stored', 'packed', 'none']);
    expect([...entries.values()].map(({ method }) => method)).toEqual([0, 8, 8]);
    for (const name of ['a/stored', 'packed']) expect(Buffer.from(unpackZip(bytes, entries.get(name)!))).toEqual(text);
    expect(unpackZip(bytes, entries.get('none')!)).toHaveLength(0);
  });

  it.each<[string, (bytes: Buffer, directory: number, end: number) => void, string]>([
    ['more entries than bytes', (bytes, _, end) => bytes.writeUInt16LE(0xfffe, end + 10), 'fewer entries'],
    [
      'a directory beyond the file',
      (bytes, _, end) => bytes.writeUInt32LE(0x7fffffff, end + 16),
      'a whole zip archive',
    ],
    ['no directory', (bytes, directory) => bytes.fill(0, directory), 'a directory at its end'],
    ['64 bits that lead nowhere', (bytes, _, end) => bytes.writeUInt32LE(0xffffffff, end + 16), 'a whole zip archive'],
    ['a password', (bytes, directory) => bytes.writeUInt16LE(1, directory + 8), 'without encryption'],
  ])('with %s are refused', (_, damage, message) => {
    const bytes = archive();
    damage(bytes, bytes.indexOf('PK\x01\x02'), bytes.lastIndexOf('PK\x05\x06'));
    expect(() => listZip(bytes)).toThrow(message);
  });

  it('whose entries are not what the directory says are refused', () => {
    const bytes = archive();
    const entries = listZip(bytes);
    const [stored, packed] = [entries.get('a/stored')!, entries.get('packed')!];
    for (const [entry, message] of [
      [{ ...stored, offset: 1 }, 'a whole zip archive'],
      [{ ...stored, packedBytes: 1e6, bytes: 1e6 }, 'the zip archive ends'],
      [{ ...stored, bytes: 3 }, 'stored or deflated'],
      [{ ...packed, method: 12 }, 'stored or deflated'],
      [{ ...packed, bytes: 10 }, 'a whole zip archive'],
      [{ ...packed, bytes: 1000 }, `an entry of 1000 bytes but got ${text.length}`],
      [{ ...packed, packedBytes: 5 }, 'a whole zip archive'],
    ] as const) {
      expect(() => unpackZip(bytes, entry), message).toThrow(message);
    }
  });
});
