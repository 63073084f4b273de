// The test images of Tiny ImageNet (http://cs231n.stanford.edu/tiny-imagenet-200.zip): all in one folder, with a table of their classes.
import { join } from 'node:path';
import { DataError } from '../errors.ts';
import type { ImageFiles } from './dataset.ts';
import { listed, readDataFile } from './files.ts';
import { listImages, type PassedOver } from './image_list.ts';

/** The table, beside a folder `images`. */
export const annotationFile = 'val_annotations.txt';

/** A line an image: its name, its class, and where the thing is in it. Throws DataError that names the line. */
export function parseAnnotations(path: string, text: string): ReadonlyMap<string, string> {
  const lines = text.split(/\r?\n/);
  const classes = new Map<string, string>();
  lines.forEach((line, index) => {
    if (line.trim() === '') return;
    const [image, name] = line.split('\t');
    if (image === '' || !name) {
      throw new DataError(
        `${path}: line ${index + 1}: expected an image and its class, parted by tabs, found ${JSON.stringify(line.slice(0, 40))}`,
      );
    }
    classes.set(image, name);
  });
  return classes;
}

/** The classes that the table of a folder names, sorted by code units. Throws DataError. */
export async function annotatedClasses(folder: string, signal?: AbortSignal): Promise<string[]> {
  return [...new Set((await readTable(folder, signal)).values())].sort();
}

/** The images of the folder, labelled by the table. Throws DataError. */
export async function listAnnotated(
  folder: string,
  classNames: readonly string[],
  passed: PassedOver,
  signal?: AbortSignal,
): Promise<Pick<ImageFiles, 'folder' | 'classFolders' | 'names' | 'labels'>> {
  const classes = await readTable(folder, signal);
  const files = await listImages(join(folder, 'images'), passed, signal);
  const untold = files.filter((file) => !classes.has(file));
  if (untold.length > 0) {
    throw new DataError(
      `${join(folder, annotationFile)}: expected a line for each image, found none for ${listed(untold)}`,
    );
  }
  // In turns of the classes, as other folders are listed, would need more memory and help nobody: no limit cuts test images.
  const labels = Int32Array.from(files, (file) => classNames.indexOf(classes.get(file)!));
  return { folder, classFolders: classNames.map(() => 'images'), names: files, labels };
}

async function readTable(folder: string, signal?: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const path = join(folder, annotationFile);
  const { bytes } = await readDataFile(path, signal);
  return parseAnnotations(path, new TextDecoder().decode(bytes));
}
