// The two ways in which the addon is built on the spot: cmake-js, which knows all parts, and node-gyp, which needs no cmake
// and knows the CPU alone.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { answers } from './machine.mjs';
import { progressOf } from './progress.mjs';

export const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
/** For where a tool is not installed: npm fetches it for this once. */
const versions = { 'cmake-js': '8', 'node-gyp': '12' };

/** What `wanted` (see install.mjs) asks of each builder. */
export function buildersFor({ isa, simt, cuda, warningsAreErrors }) {
  const flag = (value) => (value ? 'ON' : 'OFF');
  return [
    {
      name: 'cmake',
      addon: join(root, 'build-cmake', 'Release', 'dartsmith.node'),
      needs: 'cmake',
      tool: 'cmake-js',
      // A folder that was configured before would keep its options.
      commands: ['configure', 'compile'],
      args: [
        ...['--out', 'build-cmake', '--parallel', '0', `--CDDARTSMITH_WERROR=${flag(warningsAreErrors)}`],
        ...[`--CDDARTSMITH_SIMT=${flag(simt)}`, `--CDDARTSMITH_CUDA=${flag(cuda)}`, `--CDDARTSMITH_ISA=${isa}`],
      ],
      has: { isa, simt, cuda },
    },
    {
      name: 'gyp',
      addon: join(root, 'build', 'Release', 'dartsmith.node'),
      needs: 'make',
      tool: 'node-gyp',
      commands: ['configure', 'build'],
      args: ['--jobs', 'max', ...headersHere()],
      has: { isa, simt: false, cuda: false },
    },
  ];
}

/** Node's headers where they lie beside node itself, as in its own archives, so that node-gyp need not download them. */
function headersHere() {
  const prefix = dirname(dirname(process.execPath));
  const chosen = process.env.npm_config_nodedir !== undefined;
  return !chosen && existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
}

/** What the builder lacks on this machine, or undefined. */
export function lack({ needs }) {
  if (!answers(needs)) return `${needs} is not on the PATH`;
  const compilers = [process.env.CXX, 'c++', 'g++', 'clang++'].filter(Boolean);
  return compilers.some((compiler) => answers(compiler))
    ? undefined
    : `no C++ compiler is on the PATH (${compilers.join(', ')})`;
}

/** The program and first arguments that start a build tool: installed (a checkout), npm's own, or fetched by npm. */
function startOf(tool) {
  try {
    const manifest = require.resolve(`${tool}/package.json`);
    const { bin } = JSON.parse(readFileSync(manifest, 'utf8'));
    return [process.execPath, join(dirname(manifest), typeof bin === 'string' ? bin : bin[tool])];
  } catch {
    const own = process.env.npm_config_node_gyp;
    if (tool === 'node-gyp' && own !== undefined && existsSync(own)) return [process.execPath, own];
    return ['npm', 'exec', '--yes', `--package=${tool}@${versions[tool]}`, '--', tool];
  }
}

/** Runs a builder's commands and shows how far they are; all they print when `verbose`. Gives whether they ended well. */
export async function run({ tool, commands, args, has }, { verbose }) {
  const [program, ...first] = startOf(tool);
  const progress = progressOf(process.stdout);
  let output = '';
  for (const command of commands) {
    const child = spawn(program, [...first, command, ...args], {
      cwd: root,
      env: { ...process.env, DARTSMITH_ISA: has.isa },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data) => {
        output += data;
        if (verbose) process.stdout.write(data);
        else progress.take(String(data));
      });
    }
    const code = await new Promise((resolve) => {
      child.on('error', (error) => {
        output += `${tool}: ${error.message}\n`;
        resolve(1);
      });
      child.on('close', resolve);
    });
    if (code !== 0) return { done: false, output };
  }
  progress.end();
  return { done: true, output };
}
