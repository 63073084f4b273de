import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from './process.ts';

const execute = promisify(execFile);

/**
 * Packs the package as npm would publish it, from dist as it is, and makes `folder` one of a user who has it in node_modules, beside
 * the types of Node. The path of the tarball.
 */
export async function packInto(folder: string): Promise<string> {
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, '@types'), { recursive: true });
  symlinkSync(join(root, 'node_modules/@types/node'), join(modules, '@types/node'));
  await execute('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: root });
  const tarball = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz'))!);
  mkdirSync(join(modules, 'dartsmith'));
  await execute('tar', ['-xzf', tarball, '--strip-components=1', '-C', join(modules, 'dartsmith')]);
  return tarball;
}
