// Arrays of numbers as numpy.save writes them (numpy.lib.format): float32 and float64, all that files of searches hold.
import { FileError } from '../errors.ts';

/** Numbers in row order. */
export interface NpyArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

const magic = Buffer.from('\x93NUMPY', 'latin1');
/** numpy's own limit. */
const longestHeader = 10_000;
const alignment = 64;
const descriptions = { '<f4': 4, '>f4': 4, '<f8': 8, '>f8': 8 } as const;

/** Reads a file of numpy.save. Throws FileError that names `path`. */
export function parseNpy(bytes: Uint8Array, path: string): NpyArray {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { header, start } = readHeader(file, path);
  const { description, isFortran, shape } = parseHeader(header, path);
  const size = descriptions[description];
  const count = shape.reduce((product, length) => product * length, 1);
  if (file.length - start !== count * size) {
    throw malformed(
      path,
      `${count * size} bytes of numbers for shape (${shape.join(', ')}) but got ${file.length - start}`,
    );
  }
  const read = reader(file, description);
  const stored = Float64Array.from({ length: count }, (_, i) => read(start + i * size));
  return { shape, data: isFortran ? inRowOrder(stored, shape) : stored };
}

/** Float32 numbers in row order as numpy.save writes them. */
export function formatNpy(shape: readonly number[], data: Float32Array): Uint8Array {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${sizes}), }`;
  const before = magic.length + 4;
  const length = Math.ceil((before + header.length + 1) / alignment) * alignment - before;
  const file = Buffer.alloc(before + length + data.length * 4);
  magic.copy(file);
  file[6] = 1;
  file.writeUInt16LE(length, 8);
  file.write(`${header.padEnd(length - 1)}\n`, before, 'latin1');
  for (const [i, value] of data.entries()) file.writeFloatLE(value, before + length + i * 4);
  return file;
}

function readHeader(file: Buffer, path: string): { header: string; start: number } {
  if (!file.subarray(0, magic.length).equals(magic)) throw malformed(path, 'the bytes \\x93NUMPY at its begin');
  if (file.length < 12) throw malformed(path, 'a header but the file ends');
  const major = file[6];
  if (major < 1 || major > 3) throw malformed(path, `format 1, 2 or 3 but got ${major}`);
  const [length, before] = major === 1 ? [file.readUInt16LE(8), 10] : [file.readUInt32LE(8), 12];
  if (length > longestHeader) throw malformed(path, `a header of at most ${longestHeader} bytes but got ${length}`);
  if (before + length > file.length) throw malformed(path, `a header of ${length} bytes but the file ends`);
  return { header: file.toString('latin1', before, before + length), start: before + length };
}

/** Reads Python's dict of three known keys, in any order; nothing of it is evaluated. */
function parseHeader(header: string, path: string) {
  const field = (name: string, value: string) => new RegExp(`[{,]\\s*'${name}':\\s*${value}\\s*[,}]`).exec(header)?.[1];
  const description = field('descr', "'([^']{1,20})'");
  const order = field('fortran_order', '(True|False)');
  const shape = field('shape', '\\(([\\d\\s,]*)\\)')
    ?.split(',')
    .map((size) => size.trim());
  // Of one axis there is a comma behind its length.
  if (shape?.at(-1) === '') shape.pop();
  if (!/^\{[^{}]*\}\s*$/.test(header) || order === undefined || !shape?.every((size) => /^\d{1,9}$/.test(size))) {
    throw malformed(path, 'a header with descr, fortran_order and shape');
  }
  if (description === undefined || !Object.hasOwn(descriptions, description)) {
    // Such as '<i8' or a list of fields: the file is whole.
    throw new FileError(
      `${path} cannot be read: expected float32 or float64 numbers but got ${description ?? 'fields of several types'}`,
    );
  }
  return {
    description: description as keyof typeof descriptions,
    isFortran: order === 'True',
    shape: shape.map(Number),
  };
}

function reader(file: Buffer, description: keyof typeof descriptions): (at: number) => number {
  switch (description) {
    case '<f4':
      return (at) => file.readFloatLE(at);
    case '>f4':
      return (at) => file.readFloatBE(at);
    case '<f8':
      return (at) => file.readDoubleLE(at);
    case '>f8':
      return (at) => file.readDoubleBE(at);
  }
}

/** Of numbers whose first index runs fastest. */
function inRowOrder(stored: Float64Array, shape: readonly number[]): Float64Array {
  const data = new Float64Array(stored.length);
  const index = shape.map(() => 0);
  for (const value of stored) {
    data[index.reduce((at, position, axis) => at * shape[axis] + position, 0)] = value;
    for (let axis = 0; axis < shape.length && ++index[axis] === shape[axis]; axis++) index[axis] = 0;
  }
  return data;
}

function malformed(path: string, expectation: string): FileError {
  return new FileError(`${path} is not a whole .npy file: expected ${expectation}`);
}
