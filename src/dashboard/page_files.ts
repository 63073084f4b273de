import { readdir, readFile } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FileError } from '../errors.ts';

/** A file of the page. */
export interface PageFile {
  readonly type: string;
  readonly bytes: Buffer;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
};

/** Where `npm run build:ts` puts the page. */
const built = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../../dist/dashboard/page' : './page', import.meta.url),
);

/** The files of the built page by their path on the server, in memory: no request ever reaches for a file. Throws FileError. */
export async function readPageFiles(folder = built): Promise<ReadonlyMap<string, PageFile>> {
  try {
    const names = await readdir(folder, { recursive: true });
    const wanted = names.filter((name) => Object.hasOwn(types, extname(name)));
    const files = await Promise.all(
      wanted.map(async (name): Promise<[string, PageFile]> => {
        const bytes = await readFile(join(folder, name));
        return [`/${name.split(sep).join('/')}`, { type: types[extname(name)], bytes }];
      }),
    );
    const index = files.find(([path]) => path === '/index.html');
    if (index !== undefined) return new Map([...files, ['/', index[1]]]);
  } catch {
    // Told below.
  }
  throw new FileError(`the dashboard's page is not in ${folder}: npm run build:ts makes it`);
}
