// Folders of class folders of image files, as ImageNet is unpacked: train/CLASS/*.JPEG and val/CLASS/*.JPEG. Only names are read here.
import { join } from 'node:path';
import { DataError } from '../errors.ts';
import { annotatedClasses, annotationFile, listAnnotated } from './annotations.ts';
import type { ColourProfile, ImageFiles } from './dataset.ts';
import { decodingNotices, loadSharp } from './decode.ts';
import { inOtherCase, listed, listFolder, missing } from './files.ts';
import { imageExtensions, listEntries, listImages, PassedOver } from './image_list.ts';
import type { ImageSource, ReadOptions } from './source.ts';

/** What the folder must hold, for messages. */
export const folderFiles = 'train/CLASS/*.JPEG and val/CLASS/*.JPEG (or .jpg, .png, .webp, .tif, .avif, .gif)';

/** How image files are read. */
export interface FileOptions {
  /** Height and width that they are brought to. */
  readonly imageSize: number;
  readonly colourProfile?: ColourProfile;
}

/** Names of the folder of test images, the usual one first. */
const testNames = ['val', 'valid', 'validation', 'test'];

/**
 * Lists the images of a folder, without opening them. They are numbered in turns, one of each class, so that the first ones, which
 * a limit keeps, are of all classes. Classes are numbered in the order of their folders' names. Throws DataError or AbortedError.
 */
export async function readImageFolder(
  folder: string,
  { imageSize, colourProfile, limit, testOnly, signal }: ReadOptions & FileOptions,
): Promise<ImageSource<ImageFiles>> {
  // Before a run begins that could not read a single image.
  await loadSharp();
  const names = await listFolder(folder, folderFiles);
  const testName = await findTest(folder, names);
  const trained = names.has('train');
  if (testOnly ? testName === undefined : !trained)
    throw await missing(folder, folderFiles, names, ['train', ...testNames]);
  const list = { shape: [imageSize, imageSize, 3], colourProfile, signal } as const;
  const notices: string[] = [];
  const testFolder = testName && join(folder, testName);
  const classNames = await classesOf(trained ? join(folder, 'train') : testFolder!, signal);
  const train = testOnly
    ? noFiles(folder, classNames, list)
    : await listSplit(join(folder, 'train'), classNames, list, notices);
  const test = testFolder && (await listTest(testFolder, classNames, list, notices));
  if (testName !== undefined && testName !== 'val')
    notices.push(`${folder} has no val: test images come from ${testName}`);
  return {
    train: firstFiles(train, limit),
    test: test || undefined,
    lacksTest: test ? undefined : lackOf(folder, names),
    classes: classNames.length,
    classNames,
    notices: [...notices, ...decodingNotices()],
  };
}

/** Of a folder without val the first other one that holds class folders, since images to be labelled lie in test, too. */
async function findTest(folder: string, names: ReadonlySet<string>): Promise<string | undefined> {
  if (names.has('val')) return 'val';
  for (const name of testNames.filter((other) => names.has(other))) {
    const entries = await listEntries(join(folder, name), new PassedOver());
    if (entries.some(({ isFolder }) => isFolder)) return name;
  }
  return undefined;
}

function lackOf(folder: string, names: ReadonlySet<string>): string {
  const hint = inOtherCase(names, testNames) ?? '';
  return `${folder} has no val with class folders beside train, found only ${listed([...names].sort())}${hint}`;
}

/** The class folders of a split, or the classes that the table of Tiny ImageNet's test images names. */
async function classesOf(folder: string, signal?: AbortSignal): Promise<string[]> {
  const names = await listFolder(folder, 'a folder for each class');
  if (names.has(annotationFile)) return annotatedClasses(folder, signal);
  const entries = await listEntries(folder, new PassedOver());
  const folders = entries.filter(({ isFolder }) => isFolder).map(({ name }) => name);
  if (folders.length === 0) throw new DataError(`${folder}: expected a folder for each class, found only files`);
  return folders;
}

type ListOptions = Pick<ImageFiles, 'shape' | 'colourProfile'> & { readonly signal?: AbortSignal };

async function listTest(
  folder: string,
  classNames: readonly string[],
  options: ListOptions,
  notices: string[],
): Promise<ImageFiles> {
  const own = await classesOf(folder, options.signal);
  const unknown = own.filter((name) => !classNames.includes(name));
  if (unknown.length > 0) {
    throw new DataError(
      `${folder}: expected only classes that are in train (${listed(classNames)}), found ${listed(unknown)}`,
    );
  }
  const names = await listFolder(folder, 'a folder for each class');
  if (!names.has(annotationFile)) return listSplit(folder, classNames, options, notices, own);
  const { signal, ...rest } = options;
  const passed = new PassedOver();
  const files = await listAnnotated(folder, classNames, passed, signal);
  notices.push(...passed.notices(folder));
  return { ...files, ...rest };
}

/** The images of a split; a class may be empty, but not of images alone. `present` are the classes that have a folder there. */
async function listSplit(
  folder: string,
  classFolders: readonly string[],
  { signal, ...rest }: ListOptions,
  notices: string[],
  present: readonly string[] = classFolders,
): Promise<ImageFiles> {
  const passed = new PassedOver();
  for (const { name, isFolder } of await listEntries(folder, passed)) if (!isFolder) passed.file(name);
  const perClass: string[][] = [];
  for (const name of classFolders) {
    const inClass = new PassedOver();
    const images = present.includes(name) ? await listImages(join(folder, name), inClass, signal) : [];
    passed.add(inClass);
    if (images.length === 0 && inClass.counts() !== '') {
      throw new DataError(
        `${join(folder, name)}: expected images (${imageExtensions}) of this class, found ${inClass.counts()}`,
      );
    }
    perClass.push(images);
  }
  if (perClass.every((files) => files.length === 0)) {
    throw new DataError(`${folder}: expected images (${imageExtensions}) in its class folders, found none`);
  }
  notices.push(...passed.notices(folder));
  return { folder, classFolders, ...inTurns(perClass), ...rest };
}

/** One of each class, then the next of each. */
function inTurns(perClass: readonly (readonly string[])[]): Pick<ImageFiles, 'names' | 'labels'> {
  const most = perClass.reduce((longest, files) => Math.max(longest, files.length), 0);
  const names: string[] = [];
  const labels: number[] = [];
  for (let turn = 0; turn < most; turn++) {
    perClass.forEach((files, label) => {
      if (turn >= files.length) return;
      names.push(files[turn]);
      labels.push(label);
    });
  }
  return { names, labels: Int32Array.from(labels) };
}

function noFiles(folder: string, classFolders: readonly string[], { shape }: ListOptions): ImageFiles {
  return { folder, classFolders, names: [], labels: new Int32Array(0), shape };
}

function firstFiles(files: ImageFiles, limit = Number.POSITIVE_INFINITY): ImageFiles {
  if (limit >= files.names.length) return files;
  return { ...files, names: files.names.slice(0, limit), labels: files.labels.slice(0, limit) };
}

/** The path of an image. */
export function pathOf({ folder, classFolders, names, labels }: ImageFiles, image: number): string {
  return join(folder, classFolders[labels[image]], names[image]);
}
