// Folders of class folders of image files, as ImageNet is unpacked: train/CLASS/*.JPEG and val/CLASS/*.JPEG. Only names are read here.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../errors.ts';
import { isMissing } from '../io/file_error.ts';
import type { ImageFiles } from './dataset.ts';
import { decodingNotices, loadSharp } from './decode.ts';
import { listFolder, missing, unreadable, yieldToEventLoop } from './files.ts';
import type { ImageSource, ReadOptions } from './source.ts';

/** What the folder must hold, for messages. */
export const folderFiles = 'train/CLASS/*.JPEG and val/CLASS/*.JPEG (or .jpg, .png)';

const imageName = /\.(jpe?g|png)$/i;

/**
 * Lists the images of a folder, without opening them. They are numbered in turns, one of each class, so that the first ones, which
 * a limit keeps, are of all classes. Classes are numbered in the order of their folders' names. Throws DataError or AbortedError.
 */
export async function readImageFolder(
  folder: string,
  imageSize: number,
  { limit, signal }: ReadOptions,
): Promise<ImageSource<ImageFiles>> {
  // Before a run begins that could not read a single image.
  await loadSharp();
  const names = await listFolder(folder, folderFiles);
  if (!names.has('train')) throw missing(folder, folderFiles, names);
  const shape = [imageSize, imageSize, 3] as const;
  const classNames = await subfolders(join(folder, 'train'));
  const train = await listImages(join(folder, 'train'), classNames, { shape, signal, mayLackClasses: false });
  const tested = names.has('val');
  return {
    train: firstFiles(train, limit),
    test: tested ? await listTestImages(join(folder, 'val'), classNames, shape, signal) : undefined,
    classes: classNames.length,
    classNames,
    notices: [...(tested ? [] : [`${folder} has no val: there are no test images`]), ...decodingNotices()],
  };
}

async function subfolders(folder: string): Promise<string[]> {
  await listFolder(folder, 'a folder for each class');
  const entries = await readdir(folder, { withFileTypes: true });
  // Whatever the file system's order and the user's language.
  const names = entries.filter((entry) => entry.isDirectory() || entry.isSymbolicLink()).map(({ name }) => name);
  if (names.length === 0) throw new DataError(`${folder}: expected a folder for each class, found only files`);
  return names.sort(byCodeUnits);
}

async function listTestImages(
  folder: string,
  classNames: readonly string[],
  shape: ImageFiles['shape'],
  signal?: AbortSignal,
): Promise<ImageFiles> {
  const unknown = (await subfolders(folder)).find((name) => !classNames.includes(name));
  if (unknown !== undefined)
    throw new DataError(`${folder}: expected only classes that are in train, found ${unknown}`);
  return listImages(folder, classNames, { shape, signal, mayLackClasses: true });
}

interface ListOptions {
  readonly shape: ImageFiles['shape'];
  readonly signal?: AbortSignal;
  /** Of test images. */
  readonly mayLackClasses: boolean;
}

async function listImages(
  folder: string,
  classFolders: readonly string[],
  { shape, signal, mayLackClasses }: ListOptions,
): Promise<ImageFiles> {
  const perClass: string[][] = [];
  for (const name of classFolders) {
    await yieldToEventLoop(signal);
    const path = join(folder, name);
    const found = await readdir(path).catch((error: unknown) => {
      if (isMissing(error) && mayLackClasses) return [];
      throw unreadable(path, 'a folder of images', error);
    });
    perClass.push(found.filter((file) => imageName.test(file)).sort(byCodeUnits));
  }
  const empty = perClass.findIndex((files) => files.length === 0);
  if (empty >= 0 && !mayLackClasses && perClass.some((files) => files.length > 0)) {
    throw new DataError(
      `${join(folder, classFolders[empty])}: expected images (.JPEG, .jpg or .png) of this class, found none`,
    );
  }
  const most = perClass.reduce((longest, files) => Math.max(longest, files.length), 0);
  if (most === 0)
    throw new DataError(`${folder}: expected images (.JPEG, .jpg or .png) in its class folders, found none`);
  const names: string[] = [];
  const labels: number[] = [];
  for (let turn = 0; turn < most; turn++) {
    perClass.forEach((files, label) => {
      if (turn >= files.length) return;
      names.push(files[turn]);
      labels.push(label);
    });
  }
  return { folder, classFolders, names, labels: Int32Array.from(labels), shape };
}

function firstFiles(files: ImageFiles, limit = Number.POSITIVE_INFINITY): ImageFiles {
  if (limit >= files.names.length) return files;
  return { ...files, names: files.names.slice(0, limit), labels: files.labels.slice(0, limit) };
}

/** The path of an image. */
export function pathOf({ folder, classFolders, names, labels }: ImageFiles, image: number): string {
  return join(folder, classFolders[labels[image]], names[image]);
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
