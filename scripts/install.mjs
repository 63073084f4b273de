// Makes the native addon: a prebuilt one where there is one, else cmake-js, else node-gyp, else none, with a notice. Never
// fails an install: the package works without its addon as far as no network has to run.
// DARTSMITH_BUILD=cmake|gyp|none chooses; --force builds again.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const choice = process.env.DARTSMITH_BUILD ?? 'auto';
const force = process.argv.includes('--force');

const addons = {
  prebuilt: join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'dartsmith.node'),
  cmake: join(root, 'build-cmake', 'Release', 'dartsmith.node'),
  gyp: join(root, 'build', 'Release', 'dartsmith.node'),
};

/** Why the addon does not load, or undefined when it does. A process of its own: a broken addon may take its process down. */
function fault(path) {
  const script = `require(${JSON.stringify(path)}).instructionSets()`;
  const { status, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  return status === 0 ? undefined : stderr;
}

/** Path of a dependency's program as its package.json names it. */
function program(name) {
  const manifest = require.resolve(`${name}/package.json`);
  const { bin } = require(manifest);
  return join(dirname(manifest), typeof bin === 'string' ? bin : bin[name]);
}

function build(name, args) {
  console.log(`dartsmith: building the native addon with ${name} (about a minute)`);
  const run = spawnSync(process.execPath, [program(name), ...args], { cwd: root, encoding: 'utf8' });
  if (run.status === 0) return undefined;
  return `${run.stdout}\n${run.stderr}`.trim().split('\n').slice(-15).join('\n');
}

const builders = [
  {
    name: 'cmake',
    missing: () => (spawnSync('cmake', ['--version']).status === 0 ? undefined : 'cmake is not on the PATH'),
    run: () => build('cmake-js', ['compile', '--out', 'build-cmake', '--parallel', '0']),
  },
  { name: 'gyp', missing: () => undefined, run: () => build('node-gyp', ['rebuild', '--jobs', 'max']) },
];

function install() {
  if (choice === 'none') return console.log('dartsmith: DARTSMITH_BUILD=none, no native addon');
  if (choice === 'auto' && existsSync(addons.prebuilt) && !fault(addons.prebuilt)) return;
  const faults = [];
  for (const { name, missing, run } of builders) {
    if (choice !== 'auto' && choice !== name) continue;
    if (!force && existsSync(addons[name]) && !fault(addons[name])) return;
    const trouble = missing() ?? run() ?? fault(addons[name]);
    if (trouble === undefined) return console.log(`dartsmith: native addon ready (${name})`);
    faults.push(`${name}: ${trouble}`);
  }
  console.warn(`dartsmith: no native addon could be built, so searching will not work on this machine.
Install a C++20 compiler (g++ 11 or clang 14 and later) and make, then run: npm rebuild dartsmith
${faults.join('\n')}`);
  if (force) process.exitCode = 1;
}

install();
