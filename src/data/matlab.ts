// MAT-files of version 5 to 7.2 (MathWorks, "MAT-File Format", level 5), as far as they hold numeric arrays: elements of a tag and
// data padded to 8 bytes, small ones with both in 8 bytes, compressed ones around another element.
import { promisify } from 'node:util';
import { constants, inflate, inflateSync } from 'node:zlib';
import { DataError } from '../errors.ts';
import { corrupt, type DataFile } from './files.ts';

/** A numeric array. */
export interface MatArray {
  readonly dims: readonly number[];
  /** In column-major order: the first index runs fastest. uint8 where the file stores bytes, a view of them. */
  readonly values: Uint8Array | Float64Array;
}

/** Where an element's data lie. */
interface Element {
  readonly type: number;
  readonly begin: number;
  readonly bytes: number;
  /** Of the element behind it. */
  readonly end: number;
}

/** Bytes of elements, and how to read their numbers. */
interface Elements {
  /** For messages; the bytes of a compressed element are counted from its own beginning. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly littleEndian: boolean;
}

const headerBytes = 128;
const matrixType = 14;
const compressedType = 15;
const byteType = 2;
const complexFlag = 0x0800;
/** Of mxDOUBLE_CLASS to mxUINT64_CLASS; those before are cells, structures, objects, text and sparse arrays. */
const numericClasses = [6, 15] as const;
/** More dimensions are taken for a damaged file. */
const mostDims = 32;
/** More numbers other than bytes as well: each takes 8 bytes here. */
const mostNumbers = 2 ** 24;

/** By type number: size and how to read one. */
const numberTypes: Readonly<
  Record<number, readonly [bytes: number, (view: DataView, at: number, little: boolean) => number]>
> = {
  1: [1, (view, at) => view.getInt8(at)],
  2: [1, (view, at) => view.getUint8(at)],
  3: [2, (view, at, little) => view.getInt16(at, little)],
  4: [2, (view, at, little) => view.getUint16(at, little)],
  5: [4, (view, at, little) => view.getInt32(at, little)],
  6: [4, (view, at, little) => view.getUint32(at, little)],
  7: [4, (view, at, little) => view.getFloat32(at, little)],
  9: [8, (view, at, little) => view.getFloat64(at, little)],
  12: [8, (view, at, little) => Number(view.getBigInt64(at, little))],
  13: [8, (view, at, little) => Number(view.getBigUint64(at, little))],
};

const unpack = promisify(inflate);

/** Enough of a compressed element to tell its name. */
const previewBytes = 1024;

/** What a compressed array may unpack to: photographs shrink to no less than this share of their size. */
function mostUnpacked(packed: Uint8Array): number {
  return Math.min(2 ** 31 - 1, 2 ** 24 + 100 * packed.length);
}

/**
 * The numeric arrays of a MAT-file that have one of `names`; others are skipped without being unpacked. Throws DataError that
 * names the byte.
 */
export async function parseMatFile(file: DataFile, names: readonly string[]): Promise<ReadonlyMap<string, MatArray>> {
  const littleEndian = byteOrder(file);
  const elements = elementsOf(file.path, file.bytes, littleEndian);
  const arrays = new Map<string, MatArray>();
  for (let at = headerBytes; at < file.bytes.length; ) {
    const element = readTag(elements, at);
    at = element.end;
    const compressed = element.type === compressedType;
    const whole = compressed ? await unpacked(elements, element, names) : { elements, element };
    if (whole === undefined) continue;
    if (whole.element.type !== matrixType) {
      throw corrupt(whole.elements.path, whole.element.begin, 'an array', `an element of type ${whole.element.type}`);
    }
    const array = readMatrix(whole.elements, whole.element, names);
    if (array !== undefined) arrays.set(array.name, array);
  }
  return arrays;
}

/** Checks the header; true for little endian. */
function byteOrder({ path, bytes }: DataFile): boolean {
  if (bytes.length < headerBytes)
    throw corrupt(path, bytes.length, `a header of ${headerBytes} bytes`, 'the end of the file');
  const mark = String.fromCharCode(bytes[126], bytes[127]);
  if (mark !== 'IM' && mark !== 'MI') {
    throw corrupt(path, 126, "'IM' or 'MI', as in MAT-files of version 5 to 7.2", JSON.stringify(mark));
  }
  const version = elementsOf(path, bytes, mark === 'IM').view.getUint16(124, mark === 'IM');
  if (version !== 0x0100) throw corrupt(path, 124, 'version 0x0100', `0x${version.toString(16).padStart(4, '0')}`);
  return mark === 'IM';
}

function elementsOf(path: string, bytes: Uint8Array, littleEndian: boolean): Elements {
  return { path, bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), littleEndian };
}

/** The element at `at`, which must lie before `limit` whole. */
function readTag({ path, bytes, view, littleEndian }: Elements, at: number, limit = bytes.length): Element {
  if (at + 8 > limit) throw corrupt(path, limit, 'an element of at least 8 bytes', 'the end of what holds it');
  const word = view.getUint32(at, littleEndian);
  const small = word >>> 16;
  if (small > 0) {
    if (small > 4) throw corrupt(path, at, 'at most 4 bytes in a small element', String(small));
    return { type: word & 0xffff, begin: at + 4, bytes: small, end: at + 8 };
  }
  const size = view.getUint32(at + 4, littleEndian);
  const begin = at + 8;
  if (begin + size > limit)
    throw corrupt(path, limit, `${size} bytes of the element at byte ${at}`, 'the end of what holds it');
  // Compressed elements are not padded.
  const padded = word === compressedType ? size : 8 * Math.ceil(size / 8);
  return { type: word, begin, bytes: size, end: Math.min(limit, begin + padded) };
}

/** The element within a compressed one; undefined where it is none of those that are wanted. */
async function unpacked(
  { path, bytes, littleEndian }: Elements,
  { begin, bytes: size }: Element,
  names: readonly string[],
): Promise<{ elements: Elements; element: Element } | undefined> {
  const packed = bytes.subarray(begin, begin + size);
  const where = `${path}: compressed element at byte ${begin}`;
  const failed = (error: unknown) =>
    new DataError(`${where}: expected a zlib stream, found a damaged one (${(error as Error).message})`, {
      cause: error,
    });
  try {
    const head = elementsOf(where, preview(packed), littleEndian);
    if (!names.includes(previewName(head) ?? '')) return undefined;
  } catch (error) {
    throw error instanceof DataError ? error : failed(error);
  }
  const maxOutputLength = mostUnpacked(packed);
  const content = await unpack(packed, { maxOutputLength }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ERR_BUFFER_TOO_LARGE') throw failed(error);
    throw new DataError(`${where}: expected at most ${maxOutputLength} bytes from ${size} packed ones, found more`);
  });
  const elements = elementsOf(where, content, littleEndian);
  return { elements, element: readTag(elements, 0) };
}

/** The beginning of what a stream holds. */
function preview(packed: Uint8Array): Uint8Array {
  const begin = packed.subarray(0, previewBytes);
  // The limit bounds what so few bytes unpack to: 1032 times as many.
  return inflateSync(begin, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: 2 ** 21 });
}

/** The name of an array whose beginning is there; undefined where it is something else. */
function previewName(head: Elements): string | undefined {
  if (head.bytes.length < 8 || head.view.getUint32(0, head.littleEndian) !== matrixType) return undefined;
  const flags = readTag(head, 8);
  const dims = readTag(head, flags.end);
  return readText(head, readTag(head, dims.end));
}

/** An array, if it is wanted. */
function readMatrix(
  elements: Elements,
  matrix: Element,
  names: readonly string[],
): (MatArray & { readonly name: string }) | undefined {
  const { path, view, littleEndian } = elements;
  const end = matrix.begin + matrix.bytes;
  const flags = readTag(elements, matrix.begin, end);
  const sizes = readTag(elements, flags.end, end);
  const title = readTag(elements, sizes.end, end);
  const name = readText(elements, title);
  if (!names.includes(name)) return undefined;
  if (flags.bytes < 8) throw corrupt(path, flags.begin, '8 bytes of array flags', String(flags.bytes));
  const word = view.getUint32(flags.begin, littleEndian);
  const [lowest, highest] = numericClasses;
  const kind = word & 0xff;
  if (kind < lowest || kind > highest || (word & complexFlag) !== 0) {
    throw corrupt(
      path,
      flags.begin,
      `a real numeric array for ${name}`,
      `class ${kind}${word & complexFlag ? ', complex' : ''}`,
    );
  }
  const dims = sizes.bytes > 4 * mostDims ? [] : [...readNumbers(elements, sizes)];
  if (dims.length < 2 || dims.length > mostDims || dims.some((size) => !(Number.isInteger(size) && size >= 0))) {
    throw corrupt(path, sizes.begin, `2 to ${mostDims} sizes for ${name}`, dims.join('x') || 'others');
  }
  const data = readTag(elements, title.end, end);
  const values = readNumbers(elements, data);
  const count = dims.reduce((product, size) => product * size, 1);
  if (values.length !== count) {
    throw corrupt(path, data.begin, `${dims.join('x')} numbers for ${name}`, String(values.length));
  }
  return { name, dims, values };
}

/** Nothing is allocated by a size that only the file claims. */
function readNumbers({ path, bytes, view, littleEndian }: Elements, element: Element): Uint8Array | Float64Array {
  if (element.type === byteType) return bytes.subarray(element.begin, element.begin + element.bytes);
  const form = numberTypes[element.type];
  if (form === undefined) throw corrupt(path, element.begin, 'a numeric type', `type ${element.type}`);
  const [size, read] = form;
  if (element.bytes / size > mostNumbers) {
    throw corrupt(path, element.begin, `at most ${mostNumbers} numbers other than bytes`, String(element.bytes / size));
  }
  return Float64Array.from({ length: Math.floor(element.bytes / size) }, (_, i) =>
    read(view, element.begin + i * size, littleEndian),
  );
}

function readText({ bytes }: Elements, { begin, bytes: size }: Element): string {
  // The longest name that MATLAB gives has 63 characters.
  return new TextDecoder('latin1').decode(bytes.subarray(begin, begin + Math.min(size, 64)));
}
