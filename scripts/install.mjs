// Makes the native addon: a prebuilt one where there is one, else cmake-js, else node-gyp, else none, with a notice. It
// builds what is missing or older than its sources; --force (npm run build:native) asks the build tool in any case.
// DARTSMITH_BUILD=auto|cmake|gyp|none chooses. Only auto never fails an install: without its addon the package still
// draws, reads and counts networks. DARTSMITH_WERROR=1 makes the warnings of a cmake build errors. DARTSMITH_CUDA=OFF leaves
// the CUDA kernels out where nvcc is there, DARTSMITH_CUDA=ON fails where it is not.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const choices = ['auto', 'cmake', 'gyp', 'none'];
const choice = process.env.DARTSMITH_BUILD || 'auto';
const force = process.argv.includes('--force');
const warningsAreErrors = process.env.DARTSMITH_WERROR === '1' ? 'ON' : 'OFF';
// Only a checkout has tests, which need the stand-in for CUDA.
const simt = existsSync(join(root, 'test')) ? 'ON' : 'OFF';
const cuda = process.env.DARTSMITH_CUDA || 'auto';
const prebuilt = join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'dartsmith.node');

const builders = [
  {
    name: 'cmake',
    addon: join(root, 'build-cmake', 'Release', 'dartsmith.node'),
    needs: 'cmake',
    tool: 'cmake-js',
    // A folder that was configured before would keep its options.
    commands: ['configure', 'compile'],
    args: [
      ...['--out', 'build-cmake', '--parallel', '0', `--CDDARTSMITH_WERROR=${warningsAreErrors}`],
      ...[`--CDDARTSMITH_SIMT=${simt}`, `--CDDARTSMITH_CUDA=${cuda}`],
    ],
  },
  {
    name: 'gyp',
    addon: join(root, 'build', 'Release', 'dartsmith.node'),
    needs: 'make',
    tool: 'node-gyp',
    commands: ['configure', 'build'],
    args: ['--jobs', 'max', ...headersHere()],
  },
];

/** Node's headers where they lie beside node itself, as in its own archives, so that node-gyp need not download them. */
function headersHere() {
  const prefix = dirname(dirname(process.execPath));
  const chosen = process.env.npm_config_nodedir !== undefined;
  return !chosen && existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
}

const answers = (program) => spawnSync(program, ['--version']).status === 0;

/** Why the addon does not load, or undefined when it does. A process of its own: a broken addon may take its process down. */
function fault(addon) {
  const script = `require(${JSON.stringify(addon)}).instructionSets()`;
  const { status, signal, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  if (status === 0) return undefined;
  return `it does not load: ${/^\w*Error: .*/m.exec(stderr)?.[0] ?? `node ended with ${signal ?? status}`}`;
}

/** What the builder lacks on this machine, or undefined. On Windows the tools find their compiler themselves. */
function lack({ needs }) {
  if (process.platform === 'win32')
    return needs === 'cmake' && !answers('cmake') ? 'cmake is not on the PATH' : undefined;
  if (!answers(needs)) return `${needs} is not on the PATH`;
  const compilers = [process.env.CXX, 'c++', 'g++', 'clang++'].filter(Boolean);
  return compilers.some(answers) ? undefined : `no C++ compiler is on the PATH (${compilers.join(', ')})`;
}

/** Whether a source changed since the addon was built: a checkout that was updated, say. */
function stale(addon) {
  const built = statSync(addon).mtimeMs;
  const sources = readdirSync(join(root, 'native'), { recursive: true }).map((name) => join('native', name));
  return [...sources, 'CMakeLists.txt', 'binding.gyp'].some((path) => {
    const status = statSync(join(root, path));
    return status.isFile() && status.mtimeMs > built;
  });
}

/** The lines of a build's output that tell most. */
function gist(output) {
  const lines = output.trim().split('\n');
  const errors = lines.filter((line) => /\berror\b/i.test(line));
  return (errors.length > 0 ? errors.slice(0, 10) : lines.slice(-10)).join('\n');
}

/** Runs the builder. Gives why there is no addon now, or undefined when there is one that loads. */
function build({ addon, tool, commands, args }) {
  console.log(`dartsmith: building the native addon with ${tool} (a minute or two)`);
  const manifest = require.resolve(`${tool}/package.json`);
  const { bin } = require(manifest);
  const program = join(dirname(manifest), typeof bin === 'string' ? bin : bin[tool]);
  const stdio = force ? 'inherit' : 'pipe';
  let output = '';
  const done = commands.every((command) => {
    const run = spawnSync(process.execPath, [program, command, ...args], { cwd: root, stdio, encoding: 'utf8' });
    output += `${run.stdout ?? ''}\n${run.stderr ?? ''}`;
    return run.status === 0;
  });
  const trouble = done ? fault(addon) : gist(output) || 'it failed';
  // What is left of an older build would be loaded in its place.
  if (trouble !== undefined) rmSync(addon, { force: true });
  // A change that leads to no new link (a comment in a header that nothing includes) must not look stale for ever.
  else utimesSync(addon, new Date(), new Date());
  return trouble;
}

function install() {
  if (!choices.includes(choice)) {
    console.error(`dartsmith: expected one of ${choices.join(', ')} for DARTSMITH_BUILD but received '${choice}'`);
    process.exitCode = 1;
    return;
  }
  if (choice === 'none') return console.log('dartsmith: DARTSMITH_BUILD=none, so no native addon was built');
  if (choice === 'auto' && !force && existsSync(prebuilt) && fault(prebuilt) === undefined) return;
  const faults = [];
  for (const builder of builders) {
    const { name, addon } = builder;
    if (choice !== 'auto' && choice !== name) continue;
    const usable = existsSync(addon) && fault(addon) === undefined;
    if (usable && !force && !stale(addon)) return;
    const missing = lack(builder);
    // Kept although it is old: there is nothing here to make a newer one with.
    if (missing !== undefined && usable && !force) return;
    const trouble = missing ?? build(builder);
    if (trouble === undefined) return console.log(`dartsmith: native addon ready (${name})`);
    faults.push(`${name}: ${trouble}`);
    // A developer wants to see this fail, not another build succeed.
    if (force && missing === undefined) break;
  }
  console.warn(`dartsmith: no native addon was built: searching falls back on TensorFlow.js, about a hundred times as slowly.
Install a C++20 compiler (g++ 11 or clang 14 and later) and make or cmake, then run: npm rebuild dartsmith
${faults.join('\n')}`);
  if (force || choice !== 'auto') process.exitCode = 1;
}

install();
