// The platforms that an addon can be built for here: this one, and others by cross compilers.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { answers, platformPackage } from './machine.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);

/** By package name: npm's words for the platform, and the cross compiler that makes its addon on another one. */
export const platforms = {
  'dartsmith-linux-x64-glibc': { os: 'linux', cpu: 'x64', libc: 'glibc', compiler: 'x86_64-linux-gnu-g++' },
  'dartsmith-linux-x64-musl': { os: 'linux', cpu: 'x64', libc: 'musl', compiler: 'x86_64-linux-musl-g++' },
  'dartsmith-linux-arm64-glibc': { os: 'linux', cpu: 'arm64', libc: 'glibc', compiler: 'aarch64-linux-gnu-g++' },
  'dartsmith-linux-arm64-musl': { os: 'linux', cpu: 'arm64', libc: 'musl', compiler: 'aarch64-linux-musl-g++' },
  'dartsmith-darwin-x64': { os: 'darwin', cpu: 'x64' },
  'dartsmith-darwin-arm64': { os: 'darwin', cpu: 'arm64' },
};

const isHere = (name) => name === platformPackage();

/** Why the addon of a platform cannot be built here, or undefined. */
export function lackFor(name) {
  const { compiler } = platforms[name];
  if (isHere(name) || (compiler !== undefined && answers(compiler))) return undefined;
  return compiler ? `${compiler} is not on the PATH` : 'it is built on macOS';
}

/** Compiles a platform's addon with every instruction set in a folder of its own; gives the folder. */
export function compileFor(name, { stdio = 'inherit' } = {}) {
  const { cpu, compiler } = platforms[name];
  const folder = join('build-prebuilt', name);
  const cmakeJs = join(dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js');
  const processor = { x64: 'x86_64', arm64: 'aarch64' }[cpu];
  const cross = isHere(name)
    ? []
    : [`--CDCMAKE_CXX_COMPILER=${compiler}`, `--CDCMAKE_SYSTEM_NAME=Linux`, `--CDCMAKE_SYSTEM_PROCESSOR=${processor}`];
  const args = ['--out', folder, '--parallel', '0', '--CDDARTSMITH_ISA=all', ...cross];
  for (const command of ['configure', 'compile']) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [cmakeJs, command, ...args], {
      cwd: root,
      stdio,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`cmake-js ${command} ${args.join(' ')} failed\n${stdout ?? ''}${stderr ?? ''}`);
  }
  return join(root, folder);
}
