import { describe, expect, it } from 'vitest';
import { FileError } from '../../../src/errors.ts';
import { decodeSafetensors, encodeSafetensors } from '../../../src/io/safetensors.ts';
import { uniform } from '../../../src/random/philox.ts';

const path = 'weights.safetensors';

function file(header: string | object, data: Uint8Array = new Uint8Array()): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

const sample = () =>
  encodeSafetensors(
    new Map([
      ['a.weight', { shape: [2, 3], data: Float32Array.of(1, -2, 3.5, 0, Number.NaN, 1e-40) }],
      ['empty', { shape: [0, 4], data: new Float32Array(0) }],
      ['scalar', { shape: [], data: Float32Array.of(7) }],
    ]),
    { epoch: '3', note: 'ünïcode "quoted"' },
  );

describe('safetensors', () => {
  it('gives back names, shapes, values and metadata', () => {
    const { metadata, tensors } = decodeSafetensors(sample(), path);
    expect(metadata).toEqual({ epoch: '3', note: 'ünïcode "quoted"' });
    expect([...tensors.keys()]).toEqual(['a.weight', 'empty', 'scalar']);
    expect(tensors.get('a.weight')).toEqual({
      dtype: 'F32',
      shape: [2, 3],
      data: Float32Array.of(1, -2, 3.5, 0, Number.NaN, 1e-40),
    });
    expect(tensors.get('empty')?.data).toEqual(new Float32Array(0));
    expect(tensors.get('scalar')?.shape).toEqual([]);
  });

  it('aligns tensors to 8 bytes and gives the same bytes each time', () => {
    const bytes = sample();
    expect(Number(new DataView(bytes.buffer).getBigUint64(0, true)) % 8).toBe(0);
    expect(sample()).toEqual(bytes);
  });

  it('reads the other element types, unaligned as well', () => {
    const read = (dtype: string, data: Uint8Array, shape = [1]) => {
      const bytes = file({ x: { dtype, shape, data_offsets: [0, data.length] } }, data);
      return [...decodeSafetensors(bytes, path).tensors.get('x')!.data];
    };
    const bytesOf = (array: ArrayBufferView) => new Uint8Array(array.buffer);
    expect(read('F64', bytesOf(Float64Array.of(0.1)))).toEqual([0.1]);
    expect(read('I64', bytesOf(BigInt64Array.of(-5n)))).toEqual([-5]);
    expect(read('U64', bytesOf(BigUint64Array.of(2n ** 63n)))).toEqual([2 ** 63]);
    expect(read('I32', bytesOf(Int32Array.of(-5, 2 ** 30 + 1)), [2])).toEqual([-5, 2 ** 30 + 1]);
    expect(read('U32', bytesOf(Uint32Array.of(2 ** 32 - 1)))).toEqual([2 ** 32 - 1]);
    expect(read('I16', bytesOf(Int16Array.of(-5)))).toEqual([-5]);
    expect(read('U16', bytesOf(Uint16Array.of(65535)))).toEqual([65535]);
    expect(read('I8', bytesOf(Int8Array.of(-5, 7, 1)), [3])).toEqual([-5, 7, 1]);
    expect(read('U8', Uint8Array.of(255))).toEqual([255]);
    expect(read('BOOL', Uint8Array.of(1, 0), [2])).toEqual([1, 0]);
    expect(read('BF16', bytesOf(Uint16Array.of(0x3f80, 0xc040)), [2])).toEqual([1, -3]);
    const halves = [0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0xfc00, 0x7e00, 0x3555];
    expect(read('F16', bytesOf(Uint16Array.from(halves)), [8])).toEqual([
      1,
      -2,
      2 ** -24,
      65504,
      Infinity,
      -Infinity,
      NaN,
      0.333251953125,
    ]);
  });

  const tensor = { dtype: 'F32', shape: [1], data_offsets: [0, 4] };
  const four = new Uint8Array(4);
  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /at least 8 bytes but got 0/],
    ['an absurd header length', new Uint8Array(16).fill(255), /header length of at most 8 bytes/],
    ['a header cut short', file('{"a":'), /JSON header/],
    ['bytes that are not UTF-8', file('x').fill(0xff, 8), /UTF-8/],
    ['a header that is no object', file('[]'), /JSON object/],
    ['metadata that are no strings', file({ __metadata__: { a: 1 } }), /a string for the metadata 'a'/],
    ['metadata that are no object', file({ __metadata__: [] }), /__metadata__/],
    ['an entry that is no object', file({ x: 3 }), /an object for tensor 'x'/],
    ['an unknown type', file({ x: { ...tensor, dtype: 'U3' } }, four), /type among F32.*but got U3/],
    ['a type from the prototype', file({ x: { ...tensor, dtype: 'toString' } }, four), /type among/],
    ['a negative size', file({ x: { ...tensor, shape: [-1] } }, four), /list of sizes/],
    ['a fractional size', file({ x: { ...tensor, shape: [0.5] } }, four), /list of sizes/],
    ['a shape that is too large', file({ x: { ...tensor, shape: [2 ** 50, 2 ** 50] } }, four), /bytes for tensor 'x'/],
    ['a size that does not match', file({ x: { ...tensor, shape: [2] } }, four), /expected 8 bytes.*got 4/],
    ['offsets the wrong way round', file({ x: { ...tensor, data_offsets: [4, 0] } }, four), /data_offsets/],
    ['three offsets', file({ x: { ...tensor, data_offsets: [0, 4, 8] } }, four), /data_offsets/],
    ['offsets beyond the end', file({ x: tensor }), /4 bytes of tensor data but got 0/],
    ['bytes that belong to nothing', file({ x: tensor }, new Uint8Array(8)), /4 bytes of tensor data but got 8/],
    ['overlapping tensors', file({ x: tensor, y: tensor }, four), /tensor 'y' to begin at data byte 4/],
    [
      'a hole',
      file({ x: { ...tensor, data_offsets: [4, 8] } }, new Uint8Array(8)),
      /to begin at data byte 0 but got 4/,
    ],
    [
      'a tensor named twice',
      file(
        '{"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"\\u0078":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}',
      ),
      /'x' twice/,
    ],
    [
      'a field named twice',
      file('{"x":{"dtype":"F32","dtype":"F32","shape":[0],"data_offsets":[0,0]}}'),
      /'dtype' twice/,
    ],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes, path)).toThrow(FileError);
    expect(() => decodeSafetensors(bytes, path)).toThrow(message);
    expect(() => decodeSafetensors(bytes, path)).toThrow(path);
  });

  it.each(['F8_E4M3', 'F8_E5M2', 'C64'])('refuses the type %s by its name, not the file as damaged', (dtype) => {
    const bytes = file({ x: { dtype, shape: [4], data_offsets: [0, 4] } }, new Uint8Array(4));
    expect(() => decodeSafetensors(bytes, path)).toThrow(
      new RegExp(`^${path} cannot be read: expected a type among F32, .* for tensor 'x' but got ${dtype}$`),
    );
  });

  it('refuses every truncation', () => {
    const whole = sample();
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeSafetensors(whole.subarray(0, length), path), `${length} bytes`).toThrow(FileError);
    }
  });

  it('survives flipped bytes: a FileError or a whole file, never anything else', () => {
    const whole = sample();
    const picks = uniform({ seed: 5, purpose: 'split', epoch: 0, step: 0 }, 6000);
    let refused = 0;
    for (let trial = 0; trial < 2000; trial++) {
      const bytes = whole.slice();
      const flips = 1 + (trial % 3);
      for (let i = 0; i < flips; i++) {
        const at = Math.floor(picks[(3 * trial + i) % picks.length] * bytes.length);
        bytes[at] ^= 1 << ((trial + i) % 8);
      }
      try {
        for (const { shape, data } of decodeSafetensors(bytes, path).tensors.values()) {
          expect(data.length).toBe(shape.reduce((product, size) => product * size, 1));
        }
      } catch (error) {
        expect(error).toBeInstanceOf(FileError);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(1000);
  });
});
