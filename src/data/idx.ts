// The IDX format of MNIST (http://yann.lecun.com/exdb/mnist): big-endian 32-bit header fields, then one byte an element.
import { join } from 'node:path';
import { type ImageArrays, noImages } from './dataset.ts';
import { corrupt, type DataFile, inOtherCase, listFolder, missing, readDataFile } from './files.ts';
import type { ImageSource, ReadOptions } from './source.ts';

/** Images of an IDX file. */
export interface IdxImages {
  readonly count: number;
  /** [height, width, 1] */
  readonly shape: readonly [number, number, number];
  /** `[count, height, width, 1]`, a view of the file's bytes. */
  readonly pixels: Uint8Array;
}

/** What an IDX folder must hold, for messages. */
export const idxFiles =
  'train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (or .gz)';

const imageMagic = 0x00000803;
const labelMagic = 0x00000801;
/** Labels are one byte, so no file can have more. */
const mostClasses = 256;
/** In pixels; a larger height or width is taken for a damaged header. */
const largestSide = 4096;

/** Parses IDX images: uint8, three dimensions. Throws DataError that names the byte. */
export function parseIdxImages(file: DataFile): IdxImages {
  const [count, height, width] = header(file, imageMagic, 3);
  if (count === 0) throw corrupt(file.path, 4, 'at least 1 image', '0');
  for (const [offset, axis, size] of [
    [8, 'height', height],
    [12, 'width', width],
  ] as const) {
    if (size < 1 || size > largestSide) {
      throw corrupt(file.path, offset, `an image ${axis} from 1 to ${largestSide}`, String(size));
    }
  }
  const pixels = body(file, 16, count * height * width, `${count} images of ${height}x${width}`);
  return { count, shape: [height, width, 1], pixels };
}

/** Parses IDX labels, one dimension, each below `classes`. Throws DataError that names the byte. */
export function parseIdxLabels(file: DataFile, classes = mostClasses): Int32Array {
  const [count] = header(file, labelMagic, 1);
  const labels = new Int32Array(body(file, 8, count, `${count} labels`));
  const wrong = labels.findIndex((label) => label >= classes);
  if (wrong >= 0) throw corrupt(file.path, 8 + wrong, `a label below ${classes}`, String(labels[wrong]));
  return labels;
}

/**
 * Reads a folder of IDX files, spelled `train-images-idx3-ubyte` or `train-images.idx3-ubyte`, gzipped or not. Without
 * `classes` their number is the largest label plus one. Test images are optional. Throws DataError or AbortedError.
 */
export async function readIdxFolder(
  folder: string,
  options: ReadOptions & { readonly classes?: number },
): Promise<ImageSource> {
  const names = await listFolder(folder, idxFiles);
  const trainFiles = options.testOnly ? undefined : splitFiles(names, 'train');
  const testFiles = splitFiles(names, 't10k');
  const needed = trainFiles ?? testFiles;
  if (!needed.images || !needed.labels) throw await missing(folder, idxFiles, names, idxFiles.match(/\S+ubyte/g) ?? []);
  const first = await readSplit(folder, [needed.images, needed.labels], options);
  if (trainFiles === undefined) return sourceOf(noImages(first.shape), first, options);
  if (testFiles.images && testFiles.labels) {
    const test = await readSplit(folder, [testFiles.images, testFiles.labels], options, first.shape);
    return sourceOf(first, test, options);
  }
  const absent = testFiles.images ? 't10k-labels-idx1-ubyte' : 't10k-images-idx3-ubyte';
  const lacksTest = `${folder} has no ${absent}${inOtherCase(names, [absent]) ?? ''}`;
  return { ...sourceOf(first, undefined, options), lacksTest };
}

function sourceOf(
  train: ImageArrays,
  test: ImageArrays | undefined,
  { classes, limit }: ReadOptions & { readonly classes?: number },
): ImageSource {
  const known = classes ?? Math.max(largest(train.labels), largest(test?.labels ?? [])) + 1;
  return { train: firstImages(train, limit), test, classes: known, classNames: [], notices: [] };
}

/** The header's fields after the magic number. */
function header(file: DataFile, magic: number, fields: number): number[] {
  const { buffer, byteOffset, byteLength } = file.bytes;
  const bytes = 4 * (1 + fields);
  if (byteLength < bytes) throw corrupt(file.path, byteLength, `a header of ${bytes} bytes`, 'the end of the file');
  const view = new DataView(buffer, byteOffset, byteLength);
  const found = view.getUint32(0);
  if (found !== magic) throw corrupt(file.path, 0, `magic number ${hexadecimal(magic)}`, hexadecimal(found));
  return Array.from({ length: fields }, (_, i) => view.getUint32(4 * (i + 1)));
}

/** A view of all that follows the header. Nothing is allocated by a size that only the header claims. */
function body(file: DataFile, offset: number, length: number, what: string): Uint8Array {
  const end = offset + length;
  const surplus = file.bytes.length - end;
  if (surplus < 0) throw corrupt(file.path, file.bytes.length, `${end} bytes for ${what}`, 'the end of the file');
  if (surplus > 0) throw corrupt(file.path, end, `the end of the file after ${what}`, `${surplus} more bytes`);
  return file.bytes.subarray(offset);
}

function splitFiles(names: ReadonlySet<string>, split: string): { images?: string; labels?: string } {
  const find = (content: string, suffix: string) =>
    ['-', '.']
      .map((separator) => `${split}-${content}${separator}${suffix}`)
      .flatMap((name) => [name, `${name}.gz`])
      .find((name) => names.has(name));
  return { images: find('images', 'idx3-ubyte'), labels: find('labels', 'idx1-ubyte') };
}

async function readSplit(
  folder: string,
  [imageName, labelName]: readonly [string, string],
  { classes, signal }: ReadOptions & { readonly classes?: number },
  expectedShape?: ImageArrays['shape'],
): Promise<ImageArrays> {
  const imageFile = await readDataFile(join(folder, imageName), signal);
  const { count, shape, pixels } = parseIdxImages(imageFile);
  if (expectedShape && (shape[0] !== expectedShape[0] || shape[1] !== expectedShape[1])) {
    const expected = `images of ${expectedShape[0]}x${expectedShape[1]} like the training images`;
    throw corrupt(imageFile.path, 8, expected, `${shape[0]}x${shape[1]}`);
  }
  const labelFile = await readDataFile(join(folder, labelName), signal);
  const labels = parseIdxLabels(labelFile, classes);
  if (labels.length !== count) {
    throw corrupt(labelFile.path, 4, `${count} labels, one for each image of ${imageName}`, String(labels.length));
  }
  return { images: pixels, labels, shape };
}

/** A copy of the first images, so that the rest can be freed: slice() of a file's Buffer would be a view. */
function firstImages(arrays: ImageArrays, limit = Number.POSITIVE_INFINITY): ImageArrays {
  if (limit >= arrays.labels.length) return arrays;
  const [height, width, channels] = arrays.shape;
  return {
    images: new Uint8Array(arrays.images.subarray(0, limit * height * width * channels)),
    labels: arrays.labels.slice(0, limit),
    shape: arrays.shape,
  };
}

/** -1 when there are none. */
function largest(labels: ArrayLike<number>): number {
  let most = -1;
  for (let i = 0; i < labels.length; i++) most = Math.max(most, labels[i]);
  return most;
}

function hexadecimal(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}
