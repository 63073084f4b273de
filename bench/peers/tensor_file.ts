// Named float64 tensors in one file, the safetensors layout; tensor_file.py is its twin. Kept apart from src/io, so that
// a test against PyTorch does not lean on the code under test.
import { readFileSync, writeFileSync } from 'node:fs';

/** A tensor in PyTorch's layout: images `[N, C, H, W]`, convolutions `[out, in / groups, height, width]`, linear `[out, in]`. */
export interface TorchTensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

interface Entry {
  readonly dtype: 'F64';
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** Writes tensors as float64, replacing the file. */
export function writeTensors(path: string, tensors: ReadonlyMap<string, TorchTensor>): void {
  const header: Record<string, Entry> = {};
  let offset = 0;
  for (const [name, { shape, data }] of tensors) {
    header[name] = { dtype: 'F64', shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const bodies = [...tensors.values()].map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  writeFileSync(path, Buffer.concat([length, text, ...bodies]));
}

/** Reads what {@link writeTensors} or its twin wrote. */
export function readTensors(path: string): Map<string, TorchTensor> {
  const file = readFileSync(path);
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, start)) as Record<string, Entry>;
  return new Map(
    Object.entries(header).map(
      ([
        name,
        {
          shape,
          data_offsets: [begin, end],
        },
      ]) => {
        // A copy, because a Float64Array must start at a multiple of eight bytes.
        const bytes = new Uint8Array(file.subarray(start + begin, start + end));
        return [name, { shape, data: new Float64Array(bytes.buffer) }];
      },
    ),
  );
}
