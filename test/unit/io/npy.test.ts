import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FileError } from '../../../src/errors.ts';
import { formatNpy, parseNpy } from '../../../src/io/npy.ts';

const fixture = (name: string) => readFileSync(new URL(`../../fixtures/fairdarts/${name}`, import.meta.url));

/** A file as numpy.lib.format describes it, with any header. */
function npy(header: string, data: Uint8Array, version = 1): Buffer {
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(header.length);
  else length.writeUInt32LE(header.length);
  const start = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]);
  return Buffer.concat([start, length, Buffer.from(header, 'latin1'), data]);
}

const header = (descr = "'<f4'", order = 'False', shape = '(2, 3)') =>
  `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }\n`;
const six = new Uint8Array(Float32Array.of(0, 1, 2, 3, 4, 5).buffer);

describe('parseNpy', () => {
  it('reads what numpy wrote: either order, either byte order, both formats', () => {
    const { shape, data } = parseNpy(fixture('fortran.npy'), 'f');
    expect(shape).toEqual([2, 3, 4]);
    expect([...data]).toEqual(Array.from({ length: 24 }, (_, i) => i));
    expect(parseNpy(fixture('version_2.npy'), 'f')).toEqual({ shape: [5], data: Float64Array.of(0, 1, 2, 3, 4) });
    expect(parseNpy(fixture('normal_weight.npy'), 'f').shape).toEqual([14, 7]);
  });

  it('reads the fields of a header in any order and spacing', () => {
    const other = `{ 'shape':(2,3,),'fortran_order' :False, 'descr':'<f4' }`.replace("' :", "':");
    expect([...parseNpy(npy(other, six), 'f').data]).toEqual([0, 1, 2, 3, 4, 5]);
    expect([...parseNpy(npy(header("'<f4'", 'True', '(2, 3)'), six), 'f').data]).toEqual([0, 2, 4, 1, 3, 5]);
    expect(parseNpy(npy(header("'<f4'", 'False', '()'), six.subarray(0, 4)), 'f').shape).toEqual([]);
  });

  const whole = fixture('normal_weight.npy');

  it('refuses a file that ends anywhere', () => {
    for (let length = 0; length < whole.length; length++) {
      expect(() => parseNpy(whole.subarray(0, length), 'cut.npy'), `${length}`).toThrow(FileError);
    }
  });

  it('never gives more than the file holds, whichever byte is damaged', () => {
    for (let at = 0; at < 128; at++) {
      for (const value of [0, 0x20, 0x27, 0x39, 0xff]) {
        const bytes = Buffer.from(whole);
        bytes[at] = value;
        try {
          expect(parseNpy(bytes, 'damaged.npy').data.length).toBeLessThanOrEqual(98);
        } catch (error) {
          expect(error).toBeInstanceOf(FileError);
        }
      }
    }
  });

  it.each<[string, Buffer, RegExp]>([
    ['another format', Buffer.from('PK\x03\x04'.padEnd(100)), /^f is not a whole .npy file: expected the bytes/],
    ['version 9', npy(header(), six, 9), /expected format 1, 2 or 3 but got 9/],
    ['integers', npy(header("'<i8'"), six), /expected float32 or float64 numbers but got <i8/],
    [
      'objects, which numpy would unpickle',
      npy(header("'|O'"), six),
      /expected float32 or float64 numbers but got \|O/,
    ],
    ['fields', npy(header("[('a', '<f4')]"), six), /numbers but got fields of several types/],
    ['a type of Object', npy(header("'toString'"), six), /numbers but got toString/],
    ['a call in the header', npy(header("'<f4'", 'False', '(__import__("os"), )'), six), /a header with descr/],
    ['a negative size', npy(header("'<f4'", 'False', '(-2, 3)'), six), /a header with descr/],
    ['a huge shape', npy(header("'<f4'", 'False', '(999999999, 999999999)'), six), /bytes of numbers for shape/],
    ['a long header', npy(`${' '.repeat(20_000)}`, six, 2), /a header of at most 10000 bytes but got 20000/],
    ['bytes behind its numbers', npy(header(), Buffer.concat([six, six])), /expected 24 bytes .* but got 48/],
    ['digits without end', npy(header("'<f4'", 'False', `(${'1'.repeat(9000)})`), six), /a header with descr/],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => parseNpy(bytes, 'f')).toThrow(FileError);
    expect(() => parseNpy(bytes, 'f')).toThrow(message);
  });
});

describe('formatNpy', () => {
  it('writes the bytes that numpy writes', () => {
    for (const name of ['normal_weight.npy', 'reduce_weight.npy']) {
      const bytes = fixture(name);
      const { shape, data } = parseNpy(bytes, name);
      expect(Buffer.from(formatNpy(shape, Float32Array.from(data))).equals(bytes)).toBe(true);
    }
  });

  it('is read back, of one axis too', () => {
    expect(parseNpy(formatNpy([3], Float32Array.of(1, 2, 3)), 'f')).toEqual({
      shape: [3],
      data: Float64Array.of(1, 2, 3),
    });
  });
});
