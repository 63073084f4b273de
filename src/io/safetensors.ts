// The safetensors format: 8 bytes of header length, a JSON header, then the tensors' bytes without gaps.
import { isRecord } from '../checks.ts';
import { FileError } from '../errors.ts';
import { atOnce, type Steps } from '../slices.ts';
import { type DataType, dataTypes } from './data_types.ts';
import { duplicateKeySteps } from './json_keys.ts';

/** A tensor to write: stored as F32. */
export interface TensorData {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A named tensor of any file, in PyTorch's layout where it is a weight. */
export interface WeightTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array;
}

/** A tensor that was read: what fits float32 comes as Float32Array, F64 and integers of 32 bits and more as Float64Array. */
export interface StoredTensor extends WeightTensor {
  readonly dtype: DataType;
}

/** What a safetensors file holds. */
export interface TensorFile {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

interface Entry {
  readonly name: string;
  readonly dtype: DataType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** What is copied in some 100 microseconds. */
const stepBytes = 1 << 19;

/** Entries of a header that are read or made in some 100 microseconds. */
const stepEntries = 128;

const maxHeaderBytes = 100_000_000; // the reference implementation's bound

/** The bytes of a safetensors file with F32 tensors in the map's order. The same input gives the same bytes. */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  return atOnce(encodeSteps(tensors, metadata));
}

/** {@link encodeSafetensors} as work that may rest. */
export function* encodeSteps(
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>> = {},
): Steps<Uint8Array> {
  const header = yield* encodeHeader(tensors, metadata);
  const headerBytes = header.reduce((sum, piece) => sum + piece.length, 0);
  const start = 8 + Math.ceil(headerBytes / 8) * 8; // padded so that tensors are aligned
  let end = start;
  for (const { data } of tensors.values()) end += data.byteLength;
  const file = new Uint8Array(end).fill(0x20, 8, start);
  new DataView(file.buffer).setBigUint64(0, BigInt(start - 8), true);
  let offset = 8;
  for (const piece of header) {
    file.set(piece, offset);
    offset += piece.length;
  }
  offset = start;
  for (const { data } of tensors.values()) {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    for (let first = 0; first < bytes.length; first += stepBytes) {
      file.set(bytes.subarray(first, first + stepBytes), offset + first);
      yield;
    }
    offset += bytes.length;
  }
  return file;
}

/** The JSON header, as JSON.stringify gives it, in pieces. */
function* encodeHeader(
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>>,
): Steps<Uint8Array[]> {
  const entries: string[] = Object.keys(metadata).length > 0 ? [`"__metadata__":${JSON.stringify(metadata)}`] : [];
  const pieces: Uint8Array[] = [];
  const encoder = new TextEncoder();
  let end = 0;
  for (const [name, { shape, data }] of tensors) {
    const begin = end;
    end += data.byteLength;
    entries.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype: 'F32', shape, data_offsets: [begin, end] })}`);
    if (entries.length < stepEntries) continue;
    pieces.push(encoder.encode(`${pieces.length === 0 ? '{' : ','}${entries.splice(0).join(',')}`));
    yield;
  }
  const separator = pieces.length === 0 ? '{' : entries.length === 0 ? '' : ',';
  pieces.push(encoder.encode(`${separator}${entries.join(',')}}`));
  return pieces;
}

/** Reads the bytes of a safetensors file. Throws FileError naming `path` and what was expected for anything malformed. */
export function decodeSafetensors(bytes: Uint8Array, path: string): TensorFile {
  return atOnce(decodeSteps(bytes, path));
}

/** {@link decodeSafetensors} as work that may rest. */
export function* decodeSteps(bytes: Uint8Array, path: string): Steps<TensorFile> {
  const { header, start } = yield* readHeader(bytes, path);
  const metadata = readMetadata(header.get('__metadata__'), path);
  header.delete('__metadata__');
  const entries: Entry[] = [];
  for (const [name, value] of header) {
    entries.push(readEntry(name, value, path));
    if (entries.length % stepEntries === 0) yield;
  }
  checkCover(entries, bytes.length - start, path);
  const tensors = new Map<string, StoredTensor>();
  for (const { name, dtype, shape, begin, end } of entries) {
    // A copy, because a foreign file need not align its tensors.
    const copy = new Uint8Array(bytes.subarray(start + begin, start + end));
    const data = dataTypes[dtype].decode(copy.buffer);
    tensors.set(name, { dtype, shape, data });
    yield;
  }
  return { metadata, tensors };
}

function* readHeader(bytes: Uint8Array, path: string): Steps<{ header: Map<string, unknown>; start: number }> {
  if (bytes.length < 8) throw malformed(path, `at least 8 bytes but got ${bytes.length}`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  const most = Math.min(bytes.length - 8, maxHeaderBytes);
  if (length > BigInt(most))
    throw malformed(path, `a header length of at most ${most} bytes at byte 0 but got ${length}`);
  const start = 8 + Number(length);
  let header: unknown;
  let text = '';
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, start));
    header = JSON.parse(text);
  } catch {
    throw malformed(path, `a JSON header in UTF-8 at bytes 8 to ${start}`);
  }
  if (!isRecord(header)) throw malformed(path, 'a JSON object as the header');
  yield;
  const twice = yield* duplicateKeySteps(text);
  if (twice !== undefined) throw malformed(path, `every key of the header once but got '${twice}' twice`);
  return { header: new Map(Object.entries(header)), start };
}

function readMetadata(value: unknown, path: string): Record<string, string> {
  if (value === undefined) return {};
  if (!isRecord(value)) throw malformed(path, 'an object of strings for __metadata__');
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw malformed(path, `a string for the metadata '${key}'`);
  }
  return value as Record<string, string>;
}

function readEntry(name: string, value: unknown, path: string): Entry {
  if (!isRecord(value)) throw malformed(path, `an object for tensor '${name}'`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(dataTypes, dtype)) {
    // Such as F8_E4M3: the file is whole.
    const types = Object.keys(dataTypes).join(', ');
    throw new FileError(`${path} cannot be read: expected a type among ${types} for tensor '${name}' but got ${dtype}`);
  }
  if (!isSizes(shape)) throw malformed(path, `a list of sizes as the shape of tensor '${name}'`);
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw malformed(path, `data_offsets [begin, end] for tensor '${name}'`);
  }
  const [begin, end] = offsets;
  const expected = shape.reduce((product, size) => product * size, dataTypes[dtype as DataType].bytes);
  if (end - begin !== expected) {
    throw malformed(path, `${expected} bytes for tensor '${name}' of ${dtype} [${shape}] but got ${end - begin}`);
  }
  return { name, dtype: dtype as DataType, shape, begin, end };
}

/** Tensors must cover the data exactly: no gap, no overlap, nothing beyond its end. */
function checkCover(entries: readonly Entry[], dataBytes: number, path: string): void {
  let covered = 0;
  for (const { name, begin, end } of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== covered) throw malformed(path, `tensor '${name}' to begin at data byte ${covered} but got ${begin}`);
    covered = end;
  }
  if (covered !== dataBytes) throw malformed(path, `${covered} bytes of tensor data but got ${dataBytes}`);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function malformed(path: string, expectation: string): FileError {
  return new FileError(`${path} is not a whole safetensors file: expected ${expectation}`);
}
