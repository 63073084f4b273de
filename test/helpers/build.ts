import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Compiles src to dist before any test runs: the end-to-end tests run the command line as users do. */
export function setup(): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/build-ts.mjs'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`src does not compile:\n${stdout}${stderr}`);
}
