// The binary layouts of CIFAR-10 and CIFAR-100 (https://www.cs.toronto.edu/~kriz/cifar.html): records of label bytes and
// 3072 pixel bytes, the red plane first, then green and blue, each 32x32 in row order.
import { join } from 'node:path';
import { DataError } from '../errors.ts';
import { type ImageArrays, noImages } from './dataset.ts';
import { corrupt, type DataFile, inOtherCase, listFolder, missing, readDataFile, yieldToEventLoop } from './files.ts';
import type { ImageSource, ReadOptions } from './source.ts';

/** Files and record layout of one of the two sets. */
export interface CifarLayout {
  /** The published archive of the binary version. */
  readonly archive: string;
  /** In the order in which their images are numbered. */
  readonly trainFiles: readonly string[];
  readonly testFile: string;
  readonly classNameFile: string;
  /** The label bytes that open a record; the last one is used. */
  readonly labels: readonly { readonly name: string; readonly classes: number }[];
}

/** CIFAR-10: one label byte, five training batches. */
export const cifar10Layout: CifarLayout = {
  archive: 'cifar-10-binary.tar.gz',
  trainFiles: [1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}.bin`),
  testFile: 'test_batch.bin',
  classNameFile: 'batches.meta.txt',
  labels: [{ name: 'label', classes: 10 }],
};

/** CIFAR-100: a coarse and a fine label byte, one training file. */
export const cifar100Layout: CifarLayout = {
  archive: 'cifar-100-binary.tar.gz',
  trainFiles: ['train.bin'],
  testFile: 'test.bin',
  classNameFile: 'fine_label_names.txt',
  labels: [
    { name: 'coarse label', classes: 20 },
    { name: 'fine label', classes: 100 },
  ],
};

const side = 32;
const planeBytes = side * side;
const pixelBytes = 3 * planeBytes;
/** About a millisecond of work. */
const recordsPerTurn = 256;

/** What a folder of this layout must hold, for messages. */
export function cifarFiles({ trainFiles, testFile }: CifarLayout): string {
  const train = trainFiles.length > 1 ? `${trainFiles[0]} to ${trainFiles.at(-1)}` : trainFiles[0];
  return `${train} and ${testFile}`;
}

/** Number of records of a file. Throws DataError for an empty file or a cut record. */
export function countCifarRecords({ path, bytes }: DataFile, layout: CifarLayout): number {
  const size = recordBytes(layout);
  const count = Math.floor(bytes.length / size);
  const rest = bytes.length - count * size;
  const expected = `a record of ${size} bytes (${layout.labels.map(({ name }) => name).join(', ')}, ${pixelBytes} pixels)`;
  if (bytes.length === 0) throw corrupt(path, 0, expected, 'an empty file');
  if (rest > 0)
    throw corrupt(path, bytes.length, `${expected} from byte ${count * size}`, `the end after ${rest} bytes`);
  return count;
}

/** The first `count` records of the files as NHWC. Throws DataError that names the byte of a label out of range. */
export async function parseCifarRecords(
  files: readonly DataFile[],
  layout: CifarLayout,
  count: number,
  signal?: AbortSignal,
): Promise<ImageArrays> {
  const images = new Uint8Array(count * pixelBytes);
  const labels = new Int32Array(count);
  const size = recordBytes(layout);
  let image = 0;
  for (const file of files) {
    for (let start = 0; start + size <= file.bytes.length && image < count; start += size, image++) {
      if (image % recordsPerTurn === 0) await yieldToEventLoop(signal);
      labels[image] = recordLabel(file, start, layout);
      interleave(file.bytes, start + layout.labels.length, images, image * pixelBytes);
    }
  }
  return { images, labels, shape: [side, side, 3] };
}

/**
 * Reads a folder of a CIFAR layout. Batches that are missing are named in a notice, as long as one of training images is
 * there; batches that lie beyond `limit` are not read. Throws DataError or AbortedError.
 */
export async function readCifarFolder(folder: string, layout: CifarLayout, options: ReadOptions): Promise<ImageSource> {
  const names = await listFolder(folder, cifarFiles(layout));
  const { testFile } = layout;
  const tested = names.has(testFile);
  const present = layout.trainFiles.filter((name) => names.has(name));
  if (options.testOnly ? !tested : present.length === 0) throw await lacking(folder, layout, names);
  const notices: string[] = [];
  const absent = layout.trainFiles.filter((name) => !names.has(name));
  if (absent.length > 0 && !options.testOnly) {
    notices.push(`${folder} has no ${absent.join(', ')}: training images come from ${present.join(', ')}`);
  }
  const train = options.testOnly ? noImages([side, side, 3]) : await readImages(folder, present, layout, options);
  const test = tested ? await readImages(folder, [testFile], layout, { signal: options.signal }) : undefined;
  const lacksTest = tested ? undefined : `${folder} has no ${testFile}${inOtherCase(names, [testFile]) ?? ''}`;
  const { classes } = layout.labels[layout.labels.length - 1];
  let classNames: readonly string[] = [];
  if (names.has(layout.classNameFile)) {
    classNames = await readClassNames(join(folder, layout.classNameFile), options.signal);
    if (classNames.length !== classes) {
      notices.push(`${layout.classNameFile} names ${classNames.length} classes and not ${classes}: it is not used`);
      classNames = [];
    }
  }
  return { train, test, lacksTest, classes, classNames, notices };
}

/** The error for a folder that lacks what must be there, whatever lies there in its place. */
function lacking(folder: string, layout: CifarLayout, names: ReadonlySet<string>): Promise<DataError> | DataError {
  const refused = (found: string) =>
    new DataError(`${folder}: expected ${cifarFiles(layout)} (${layout.archive}, unpacked), found ${found}`);
  const other = [...names].find((name) => otherVersion.test(name));
  if (other !== undefined) return refused(`CIFAR's Python or Matlab version (${other}), not the binary one`);
  if (names.has(layout.archive)) return refused(`${layout.archive}, which is packed still`);
  return missing(folder, cifarFiles(layout), names, [...layout.trainFiles, layout.testFile]);
}

/** Files of the Python and the Matlab version, and the folders and archives that they come in. */
const otherVersion =
  /^(data_batch_\d|test_batch|train|test|meta)(\.mat)?$|^cifar-100?-(batches-py|(python|matlab)\b.*)$/;

async function readImages(
  folder: string,
  names: readonly string[],
  layout: CifarLayout,
  { limit = Number.POSITIVE_INFINITY, signal }: ReadOptions,
): Promise<ImageArrays> {
  const files: DataFile[] = [];
  let count = 0;
  for (const name of names) {
    if (count >= limit) break;
    const file = await readDataFile(join(folder, name), signal);
    count += countCifarRecords(file, layout);
    files.push(file);
  }
  return parseCifarRecords(files, layout, Math.min(count, limit), signal);
}

async function readClassNames(path: string, signal?: AbortSignal): Promise<string[]> {
  const { bytes } = await readDataFile(path, signal);
  const lines = new TextDecoder().decode(bytes).split('\n');
  return lines.map((line) => line.trim()).filter((line) => line !== '');
}

function recordBytes(layout: CifarLayout): number {
  return layout.labels.length + pixelBytes;
}

function recordLabel({ path, bytes }: DataFile, start: number, layout: CifarLayout): number {
  layout.labels.forEach(({ name, classes }, i) => {
    const label = bytes[start + i];
    if (label >= classes) throw corrupt(path, start + i, `a ${name} below ${classes}`, String(label));
  });
  return bytes[start + layout.labels.length - 1];
}

/** Three planes at `from` become [32, 32, 3] at `to`. */
function interleave(source: Uint8Array, from: number, target: Uint8Array, to: number): void {
  for (let pixel = 0; pixel < planeBytes; pixel++) {
    target[to + 3 * pixel] = source[from + pixel];
    target[to + 3 * pixel + 1] = source[from + planeBytes + pixel];
    target[to + 3 * pixel + 2] = source[from + 2 * planeBytes + pixel];
  }
}
