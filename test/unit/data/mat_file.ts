// Writes MAT-files of level 5 as MATLAB lays them out, independently of the code under test.
import { deflateSync } from 'node:zlib';

/** How a file is written. */
export interface MatForm {
  readonly littleEndian?: boolean;
  readonly compressed?: boolean;
}

/** A number array to write; `type` is its type in the file, `kind` its class in MATLAB. */
export interface MatVariable {
  readonly name: string;
  readonly dims: readonly number[];
  readonly values: ArrayLike<number>;
  /** 2 are bytes, 9 doubles, 3 16-bit integers. */
  readonly type?: number;
  readonly kind?: number;
  readonly complex?: boolean;
  /** Claims another size of the data. */
  readonly claimedBytes?: number;
}

const sizes: Readonly<Record<number, number>> = { 1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8 };

/** A whole file. */
export function matFile(variables: readonly MatVariable[], form: MatForm = {}): Buffer {
  const { littleEndian = true, compressed = false } = form;
  const elements = variables.map((variable) => {
    const matrix = matrixElement(variable, littleEndian);
    if (!compressed) return matrix;
    const packed = deflateSync(matrix);
    return Buffer.concat([words([15, packed.length], littleEndian), packed]);
  });
  return Buffer.concat([matHeader(littleEndian), ...elements]);
}

/** The 128 bytes that open a file. */
export function matHeader(littleEndian: boolean): Buffer {
  const header = Buffer.alloc(128, ' ');
  header.write('MATLAB 5.0 MAT-file, written by a test');
  if (littleEndian) header.writeUInt16LE(0x0100, 124);
  else header.writeUInt16BE(0x0100, 124);
  header.write(littleEndian ? 'IM' : 'MI', 126);
  return header;
}

function matrixElement(
  { name, dims, values, type = 2, kind = 9, complex, claimedBytes }: MatVariable,
  little: boolean,
) {
  const flags = element(6, words([kind | (complex ? 0x0800 : 0), 0], little), little);
  const sizesElement = element(5, words(dims, little), little);
  const title = element(1, Buffer.from(name), little);
  const data = element(type, numbers(values, type, little), little, claimedBytes);
  return element(14, Buffer.concat([flags, sizesElement, title, data]), little);
}

/** Data of up to 4 bytes are packed into the tag. */
function element(type: number, data: Buffer, little: boolean, claimedBytes = data.length): Buffer {
  if (data.length > 0 && data.length <= 4 && claimedBytes === data.length) {
    const tag = words([type + data.length * 65536, 0], little);
    data.copy(tag, 4);
    return tag;
  }
  const padding = Buffer.alloc((8 - (data.length % 8)) % 8);
  return Buffer.concat([words([type, claimedBytes], little), data, padding]);
}

function words(values: readonly number[], little: boolean): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => {
    if (little) bytes.writeUInt32LE(value, 4 * i);
    else bytes.writeUInt32BE(value, 4 * i);
  });
  return bytes;
}

function numbers(values: ArrayLike<number>, type: number, little: boolean): Buffer {
  const size = sizes[type];
  const bytes = Buffer.alloc(size * values.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let i = 0; i < values.length; i++) {
    const at = i * size;
    if (type === 7) view.setFloat32(at, values[i], little);
    else if (type === 9) view.setFloat64(at, values[i], little);
    else if (size === 8) view.setBigInt64(at, BigInt(values[i]), little);
    else if (size === 4) view.setInt32(at, values[i], little);
    else if (size === 2) view.setInt16(at, values[i], little);
    else bytes[at] = values[i];
  }
  return bytes;
}

/** X and y of SVHN: byte i of image n is `pixel(n, row, column, channel)`. */
export function svhnFile(
  labels: readonly number[],
  pixel: (image: number, row: number, column: number, channel: number) => number,
  form: MatForm = {},
): Buffer {
  const values = new Uint8Array(labels.length * 3072);
  let at = 0;
  for (let image = 0; image < labels.length; image++) {
    for (let channel = 0; channel < 3; channel++) {
      for (let column = 0; column < 32; column++) {
        for (let row = 0; row < 32; row++) values[at++] = pixel(image, row, column, channel);
      }
    }
  }
  return matFile(
    [
      { name: 'X', dims: [32, 32, 3, labels.length], values },
      { name: 'y', dims: [labels.length, 1], values: labels, kind: 6 },
    ],
    form,
  );
}
