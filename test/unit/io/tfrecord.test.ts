import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../../src/io/crc32c.ts';
import { frameRecord, readRecords } from '../../../src/io/tfrecord.ts';
import { randomBlock } from '../../../src/random/philox.ts';
import { bitwiseCrc, readFrames } from '../../helpers/event_file.ts';
import { scratch } from '../../helpers/scratch.ts';

const stream = { seed: 1, purpose: 'split', epoch: 0, step: 0 } as const;
const random = (length: number) => Uint8Array.from({ length }, (_, i) => randomBlock(stream, i)[0] & 255);

async function recordsOf(path: string): Promise<Buffer[]> {
  const records: Buffer[] = [];
  for await (const record of readRecords(path)) records.push(Buffer.from(record));
  return records;
}

describe('CRC-32C', () => {
  it.each([
    // RFC 3720, appendix B.4.
    ['32 zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 ones', new Uint8Array(32).fill(255), 0x62a8ab43],
    ['0 to 31', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ['31 to 0', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
    ['nine digits', new TextEncoder().encode('123456789'), 0xe3069283],
    ['nothing', new Uint8Array(), 0],
  ])('of %s is the published one', (_, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });

  it('is that of the polynomial, bit by bit', () => {
    for (const length of [1, 3, 255, 1000]) expect(crc32c(random(length))).toBe(bitwiseCrc(random(length)));
  });
});

describe('TFRecord', () => {
  const lengths = [0, 1, 7, 300, 20_000];

  it('is what its description says, both checksums included', () => {
    const records = lengths.map(random);
    const bytes = Buffer.concat(records.map(frameRecord));
    expect(readFrames(bytes)).toEqual(records.map((record) => Buffer.from(record)));
    expect(bytes.length).toBe(records.reduce((sum, { length }) => sum + length + 16, 0));
  });

  it('is read back, across blocks too', async () => {
    const path = join(scratch(), 'records');
    const records = [...lengths, 3_000_000, 5].map((length) => Buffer.from(new Uint8Array(length).fill(length & 255)));
    writeFileSync(path, Buffer.concat(records.map(frameRecord)));
    expect((await recordsOf(path)).map((record) => record.length)).toEqual(records.map(({ length }) => length));
  });

  it('is read up to where it is torn, wherever that is', async () => {
    const path = join(scratch(), 'records');
    const frames = [3, 0, 9].map(random).map(frameRecord);
    const ends = frames.map((_, i) => frames.slice(0, i + 1).reduce((sum, { length }) => sum + length, 0));
    for (let length = ends[2]; length >= 0; length--) {
      writeFileSync(path, Buffer.concat(frames));
      truncateSync(path, length);
      expect(await recordsOf(path), `cut to ${length}`).toHaveLength(ends.filter((end) => end <= length).length);
    }
  });

  it('is read up to where it is damaged, whichever byte', async () => {
    const path = join(scratch(), 'records');
    const frames = [3, 9].map(random).map(frameRecord);
    const bytes = Buffer.concat(frames);
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at] ^= 0x40;
      writeFileSync(path, damaged);
      expect(await recordsOf(path), `byte ${at}`).toHaveLength(at < frames[0].length ? 0 : 1);
    }
    expect(readFileSync(path).length).toBe(bytes.length);
  });
});
