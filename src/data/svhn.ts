// SVHN, cropped digits (Netzer et al., http://ufldl.stanford.edu/housenumbers): MAT-files with X, uint8 [32, 32, 3, count], and y,
// [count, 1], which calls the digit 0 class 10.
import { join } from 'node:path';
import { DataError } from '../errors.ts';
import { type ImageArrays, noImages } from './dataset.ts';
import { type DataFile, inOtherCase, listFolder, missing, readDataFile, yieldToEventLoop } from './files.ts';
import { type MatArray, parseMatFile } from './matlab.ts';
import type { ImageSource, ReadOptions } from './source.ts';

const side = 32;
const channels = 3;
const planeBytes = side * side;
const pixelBytes = channels * planeBytes;
const classes = 10;
const testFile = 'test_32x32.mat';
/** About a millisecond of work. */
const imagesPerTurn = 256;

/** The training files of the two forms: the easier extra images are trained on by choice. */
export const svhnTrainFiles = {
  svhn: ['train_32x32.mat'],
  'svhn-extra': ['train_32x32.mat', 'extra_32x32.mat'],
} as const;

/** What the folder must hold, for messages. */
export function svhnFiles(trainFiles: readonly string[]): string {
  return [...trainFiles, testFile].join(', ').replace(/, ([^,]*)$/, ' and $1');
}

/** The first `limit` digits of a file as NHWC, labelled by what they show. Throws DataError or AbortedError. */
export async function parseSvhnFile(
  file: DataFile,
  { limit = Number.POSITIVE_INFINITY, signal }: ReadOptions = {},
): Promise<ImageArrays> {
  const arrays = await parseMatFile(file, ['X', 'y']);
  const pixels = images(file, arrays.get('X'));
  const available = pixels.length / pixelBytes;
  const all = labels(file, arrays.get('y'), available);
  const count = Math.min(limit, available);
  const nhwc = new Uint8Array(count * pixelBytes);
  for (let image = 0; image < count; image++) {
    if (image % imagesPerTurn === 0) await yieldToEventLoop(signal);
    transpose(pixels, image * pixelBytes, nhwc);
  }
  return { images: nhwc, labels: all.slice(0, count), shape: [side, side, channels] };
}

/** Reads a folder of SVHN; test images are optional. Throws DataError or AbortedError. */
export async function readSvhnFolder(
  folder: string,
  trainFiles: readonly string[],
  options: ReadOptions,
): Promise<ImageSource> {
  const { testOnly, signal } = options;
  const expected = svhnFiles(trainFiles);
  const names = await listFolder(folder, expected);
  const needed = testOnly ? [testFile] : trainFiles;
  if (needed.some((name) => !names.has(name))) throw await missing(folder, expected, names, [...trainFiles, testFile]);
  const tested = names.has(testFile);
  return {
    train: testOnly ? noImages([side, side, channels]) : await readParts(folder, trainFiles, options),
    test: tested ? await parseSvhnFile(await readDataFile(join(folder, testFile), signal), { signal }) : undefined,
    lacksTest: tested ? undefined : `${folder} has no ${testFile}${inOtherCase(names, [testFile]) ?? ''}`,
    classes,
    classNames: [],
    notices: [],
  };
}

/** The first `limit` digits of some files. */
async function readParts(
  folder: string,
  files: readonly string[],
  { limit = Number.POSITIVE_INFINITY, signal }: ReadOptions,
): Promise<ImageArrays> {
  const parts: ImageArrays[] = [];
  let count = 0;
  for (const name of files) {
    if (count >= limit) break;
    const part = await parseSvhnFile(await readDataFile(join(folder, name), signal), { limit: limit - count, signal });
    count += part.labels.length;
    parts.push(part);
  }
  return parts.length === 1 ? parts[0] : joined(parts);
}

function images({ path }: DataFile, array: MatArray | undefined): Uint8Array {
  const isImages =
    array?.values instanceof Uint8Array &&
    array.dims.slice(0, 3).join() === [side, side, channels].join() &&
    // MATLAB drops the last size of a single image.
    array.dims.length <= 4 &&
    array.values.length > 0;
  if (isImages) return array.values as Uint8Array;
  const found =
    array === undefined
      ? 'none'
      : `${array.dims.join('x')} ${array.values instanceof Uint8Array ? 'bytes' : 'numbers'}`;
  throw new DataError(`${path}: expected bytes of ${side}x${side}x${channels}xN for X, found ${found}`);
}

function labels({ path }: DataFile, array: MatArray | undefined, count: number): Int32Array {
  if (array?.values.length !== count) {
    throw new DataError(
      `${path}: expected ${count} labels for y, one for each image, found ${array?.values.length ?? 'none'}`,
    );
  }
  return Int32Array.from(array.values, (label, image) => {
    if (Number.isInteger(label) && label >= 1 && label <= classes) return label % classes;
    throw new DataError(`${path}: expected a label from 1 to ${classes} for image ${image}, found ${label}`);
  });
}

/** Planes in column order, at `begin` in both, become [32, 32, 3]. */
function transpose(source: Uint8Array, begin: number, target: Uint8Array): void {
  for (let pixel = 0; pixel < planeBytes; pixel++) {
    const from = begin + (pixel % side) * side + Math.floor(pixel / side);
    for (let channel = 0; channel < channels; channel++) {
      target[begin + channels * pixel + channel] = source[from + channel * planeBytes];
    }
  }
}

function joined(parts: readonly ImageArrays[]): ImageArrays {
  const count = parts.reduce((sum, part) => sum + part.labels.length, 0);
  const whole = { images: new Uint8Array(count * pixelBytes), labels: new Int32Array(count), shape: parts[0].shape };
  let begin = 0;
  for (const part of parts) {
    whole.images.set(part.images, begin * pixelBytes);
    whole.labels.set(part.labels, begin);
    begin += part.labels.length;
  }
  return whole;
}
