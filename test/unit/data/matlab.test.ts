import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { parseMatFile } from '../../../src/data/matlab.ts';
import { failure } from './fixtures.ts';
import { type MatForm, matFile, matHeader } from './mat_file.ts';

const parse = (bytes: Uint8Array, names = ['X', 'y']) => parseMatFile({ path: 'some.mat', bytes }, names);
const forms: MatForm[] = [true, false].flatMap((littleEndian) =>
  [true, false].map((compressed) => ({ littleEndian, compressed })),
);

describe('parseMatFile', () => {
  it.each(forms)('reads numbers of every type, %j', async (form) => {
    const types = {
      1: [-5, 7],
      3: [-300, 300],
      4: [1, 2],
      5: [-70_000, 5],
      6: [9, 8],
      7: [0.5, -2],
      9: [0.1, 3],
      12: [-4, 4],
      13: [1, 0],
    };
    for (const [type, values] of Object.entries(types)) {
      const file = matFile([{ name: 'y', dims: [2, 1], values, type: Number(type), kind: 6 }], form);
      expect((await parse(file)).get('y')).toMatchObject({ dims: [2, 1], values: Float64Array.from(values) });
    }
  });

  it.each(forms)('reads bytes, long and small, and only what is asked for, %j', async (form) => {
    const bytes = Array.from({ length: 24 }, (_, i) => i);
    const file = matFile(
      [
        { name: 'other', dims: [1, 1], values: [1], kind: 5 },
        { name: 'X', dims: [2, 3, 4], values: bytes },
        { name: 'y', dims: [3, 1], values: [1, 2, 3] },
      ],
      form,
    );
    const arrays = await parse(file);
    expect([...arrays.keys()]).toEqual(['X', 'y']);
    expect(arrays.get('X')).toMatchObject({ dims: [2, 3, 4], values: Buffer.from(bytes) });
    expect([...arrays.get('y')!.values]).toEqual([1, 2, 3]);
    expect((await parse(file, ['Z'])).size).toBe(0);
  });

  const small = [{ name: 'X', dims: [2, 2], values: [1, 2, 3, 4, 5, 6, 7, 8].slice(0, 4) }];

  it.each([
    ['nothing', Buffer.alloc(0), 'byte 0: expected a header of 128 bytes'],
    ['a text', Buffer.alloc(200, 'a'), "byte 126: expected 'IM' or 'MI'"],
    [
      'HDF5 of version 7.3',
      Buffer.concat([matHeader(true).fill(2, 125, 126), Buffer.alloc(8)]),
      'byte 124: expected version',
    ],
    ['a cut tag', Buffer.concat([matHeader(true), Buffer.alloc(5)]), 'expected an element of at least 8 bytes'],
    ['zeros', Buffer.concat([matHeader(true), Buffer.alloc(64)]), 'expected an array, found an element of type 0'],
    ['a cell array', matFile([{ ...small[0], kind: 1 }]), 'expected a real numeric array for X, found class 1'],
    ['complex numbers', matFile([{ ...small[0], complex: true }]), 'found class 9, complex'],
    [
      'a huge size',
      matFile([{ ...small[0], dims: [2 ** 31 - 1, 2 ** 31 - 1] }]),
      'expected 2147483647x2147483647 numbers',
    ],
    ['a negative size', matFile([{ ...small[0], dims: [2 ** 32 - 1, 4] }]), 'expected 2 to 32 sizes for X, found -1x4'],
    ['too many sizes', matFile([{ ...small[0], dims: new Array(40).fill(1) }]), 'expected 2 to 32 sizes'],
    [
      'a size beyond the end',
      matFile([{ ...small[0], claimedBytes: 2 ** 31 }]),
      'expected 2147483648 bytes of the element',
    ],
    [
      'a text as numbers',
      matFile([{ ...small[0], values: [1, 2, 3, 4, 5, 6, 7, 8, 9], type: 1, dims: [3, 3] }]).fill(16, 176, 177),
      'expected a numeric type',
    ],
  ])('refuses %s', async (_, bytes, message) => {
    const error = await failure(parse(bytes));
    expect(error.code).toBe('DATA');
    expect(error.message).toMatch(/^some\.mat: /);
    expect(error.message).toContain(message);
  });

  it('refuses a damaged zlib stream', async () => {
    const file = matFile(small, { compressed: true });
    const broken = Buffer.from(file);
    broken.fill(0xff, 136, 140);
    expect((await failure(parse(broken))).message).toContain('expected a zlib stream, found a damaged one');
    const cut = Buffer.from(file);
    // The checksum.

    cut.fill(0, file.length - 4);
    expect((await failure(parse(cut))).code).toBe('DATA');
  });

  it('unpacks a bomb no further than its size allows', { timeout: 20_000 }, async () => {
    // 200 MB of zeros in 200 kB.
    const matrix = matFile([{ name: 'X', dims: [200_000_000, 1], values: [] }], {}).subarray(128);
    const bomb = deflateSync(Buffer.concat([matrix.subarray(0, matrix.length - 8), Buffer.alloc(200_000_000)]));
    const tag = Buffer.alloc(8);
    tag.writeUInt32LE(15, 0);
    tag.writeUInt32LE(bomb.length, 4);
    const before = process.memoryUsage().arrayBuffers;
    const error = await failure(parse(Buffer.concat([matHeader(true), tag, bomb])));
    expect(error.message).toMatch(/expected at most \d+ bytes from \d+ packed ones, found more/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100e6);
  });
});
