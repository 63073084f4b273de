// Which files of a class folder are images, and what is passed over and has to be told.
import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { errorCode, isMissing } from '../io/file_error.ts';
import { isStray, listed, unreadable, yieldToEventLoop } from './files.ts';

/** What sharp reads and people keep photographs in, for messages. */
export const imageExtensions = '.JPEG, .jpg, .png, .webp, .tif, .avif or .gif';

const imageName = /\.(jpe?g|jpe|jfif|png|webp|tiff?|avif|gif)$/i;
/** Deeper folders are no dataset's. */
const mostDepth = 16;

/** What was passed over while folders were listed. */
export class PassedOver {
  /** Numbers of files by extension. */
  readonly #extensions = new Map<string, number>();
  readonly #dangling: string[] = [];

  file(name: string): void {
    const extension = extname(name).toLowerCase() || 'without extension';
    this.#extensions.set(extension, (this.#extensions.get(extension) ?? 0) + 1);
  }

  link(path: string): void {
    this.#dangling.push(path);
  }

  add(other: PassedOver): void {
    for (const [extension, count] of other.#extensions) {
      this.#extensions.set(extension, (this.#extensions.get(extension) ?? 0) + count);
    }
    this.#dangling.push(...other.#dangling);
  }

  /** Of the files, such as '3 .bmp, 1 .txt'; empty where there are none. */
  counts(): string {
    const entries = [...this.#extensions].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    return listed(entries.map(([extension, count]) => `${count} ${extension}`));
  }

  /** One line a kind of what was passed over below `folder`. */
  notices(folder: string): string[] {
    const counts = this.counts();
    const links = this.#dangling.length;
    return [
      ...(counts === '' ? [] : [`${folder}: left out ${counts} (images are ${imageExtensions} in class folders)`]),
      ...(links === 0
        ? []
        : [`${folder}: left out ${links} dangling ${links === 1 ? 'link' : 'links'}: ${listed(this.#dangling, 3)}`]),
    ];
  }
}

/** An entry of a folder: strays and dangling links are none. */
interface Entry {
  readonly name: string;
  readonly isFolder: boolean;
  readonly isLink: boolean;
}

/** Subfolders and files of a folder, sorted by code units, whatever the file system's order and the user's language. */
export async function listEntries(folder: string, passed: PassedOver): Promise<Entry[]> {
  const all = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw unreadable(folder, 'a folder of images', error);
  });
  const entries = await Promise.all(
    all.filter(({ name }) => !isStray(name)).map((entry) => resolved(folder, entry, passed)),
  );
  return entries.filter((entry) => entry !== undefined).sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function resolved(folder: string, entry: Dirent, passed: PassedOver): Promise<Entry | undefined> {
  const { name } = entry;
  if (!entry.isSymbolicLink()) return { name, isFolder: entry.isDirectory(), isLink: false };
  const path = join(folder, name);
  try {
    return { name, isFolder: (await stat(path)).isDirectory(), isLink: true };
  } catch (error) {
    if (!isMissing(error) && errorCode(error) !== 'ELOOP') throw unreadable(path, 'a readable file or folder', error);
    passed.link(path);
    return undefined;
  }
}

/**
 * The images of a class folder and of the folders within it, as torchvision finds them: paths below the folder, sorted. What else
 * lies there is told to `passed`. Throws DataError or AbortedError.
 */
export async function listImages(folder: string, passed: PassedOver, signal?: AbortSignal): Promise<string[]> {
  await yieldToEventLoop(signal);
  const real = await realpath(folder).catch((error: unknown) => {
    throw unreadable(folder, 'a folder of images', error);
  });
  return imagesWithin(folder, '', [real], passed, signal);
}

async function imagesWithin(
  folder: string,
  below: string,
  /** Real paths of the folder and of those that it lies in. */
  around: readonly string[],
  passed: PassedOver,
  signal?: AbortSignal,
): Promise<string[]> {
  const images: string[] = [];
  for (const { name, isFolder, isLink } of await listEntries(join(folder, below), passed)) {
    const path = below === '' ? name : `${below}/${name}`;
    if (!isFolder) {
      if (imageName.test(name)) images.push(path);
      else passed.file(name);
      continue;
    }
    const real = isLink ? await realpath(join(folder, path)) : join(around[0], name);
    // A link to a folder that it lies in would never end.
    if (around.includes(real) || around.length >= mostDepth) continue;
    await yieldToEventLoop(signal);
    images.push(...(await imagesWithin(folder, path, [real, ...around], passed, signal)));
  }
  return images;
}
