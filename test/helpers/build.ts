import { spawnSync } from 'node:child_process';
import { root } from './process.ts';

/**
 * Compiles src to dist before any test runs, since the end-to-end tests run the command line as users do; and the addon with
 * every instruction set beside the stand-in for CUDA, which npm ci leaves out.
 */
export function setup(): void {
  run('src does not compile', ['scripts/build_ts.mjs'], 'pipe');
  const parts = { DARTSMITH_ISA: 'all', DARTSMITH_SIMT: 'ON', DARTSMITH_BUILD: 'cmake' };
  // An addon that was named is tested as it is (scripts/sanitize.mjs).
  if (process.env['DARTSMITH_ADDON'] === undefined)
    run('the addon was not built', ['scripts/install.mjs'], 'inherit', parts);
}

function run(trouble: string, args: string[], stdio: 'pipe' | 'inherit', variables: NodeJS.ProcessEnv = {}): void {
  const env = { ...process.env, ...variables };
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, env, stdio, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${trouble}:\n${stdout ?? ''}${stderr ?? ''}`);
}
