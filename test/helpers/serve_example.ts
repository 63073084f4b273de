import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './process.ts';

/** The folder of the example that serves an exported network. */
export const example = join(root, 'examples/serve');

/**
 * Installs its onnxruntime-node, which belongs to no other part of the project. Without its install script, which would fetch CUDA.
 */
export function installExample(): void {
  if (existsSync(join(example, 'node_modules/onnxruntime-node'))) return;
  const { status, stderr } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: example,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`the example cannot be installed:\n${stderr}`);
}
