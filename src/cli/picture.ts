// Pictures as commands write them.
import { extname } from 'node:path';
import { invalid } from '../errors.ts';
import { writeFileAtomic } from '../io/atomic.ts';

/** Writes a picture to a file, or to stdout where none is named. */
export async function writePicture(picture: string | Uint8Array, out: string | undefined): Promise<void> {
  if (out === undefined) {
    process.stdout.write(picture);
  } else {
    await writeFileAtomic(out, picture);
    process.stdout.write(`wrote ${out}\n`);
  }
}

/** The format that a file's name asks for. Throws ArgumentError. */
export function pictureFormat<T extends string>(file: string, formats: readonly T[]): T {
  const extension = extname(file).slice(1).toLowerCase();
  const format = formats.find((name) => name === extension);
  if (format !== undefined) return format;
  const endings = formats.map((name) => `.${name}`);
  throw invalid('--out', `a file name that ends in ${endings.slice(0, -1).join(', ')} or ${endings.at(-1)}`, file);
}
