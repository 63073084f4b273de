// Sees to it that there is a native addon: a platform package's where one is installed, else one built on the spot by cmake-js
// or node-gyp, else none, with a notice. It builds what is missing or older than its sources; --force (npm run build:native)
// asks the build tool in any case and shows all it prints. docs/environment.md lists the variables that change this.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { buildersFor, lack, root, run } from './builders.mjs';
import { answers, bestInstructionSet, hasGpu, platformPackage } from './machine.mjs';

const require = createRequire(import.meta.url);
const force = process.argv.includes('--force');
const choices = {
  DARTSMITH_BUILD: ['auto', 'cmake', 'gyp', 'none'],
  DARTSMITH_CUDA: ['auto', 'ON', 'OFF'],
  DARTSMITH_ISA: ['auto', 'all', 'avx512', 'avx2', 'baseline', 'neon'],
  DARTSMITH_SIMT: ['auto', 'ON', 'OFF'],
};
const chosen = (name) => process.env[name] || 'auto';

/** What the addon shall hold. */
function wanted() {
  const cuda = chosen('DARTSMITH_CUDA');
  const isa = chosen('DARTSMITH_ISA');
  return {
    // Compiling the kernels takes minutes: not for a toolkit alone.
    cuda: cuda === 'ON' || (cuda === 'auto' && answers('nvcc') && hasGpu()),
    isa: isa === 'auto' ? bestInstructionSet() : isa,
    simt: chosen('DARTSMITH_SIMT') === 'ON',
    warningsAreErrors: process.env.DARTSMITH_WERROR === '1',
  };
}

/** Why the addon does not load, or undefined when it does. A process of its own: a broken addon may take its process down. */
function fault(addon) {
  const script = `if (require(${JSON.stringify(addon)}).instructionSets().length === 0) throw new Error('its instruction sets are not those of this machine')`;
  const { status, signal, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  if (status === 0) return undefined;
  return `it does not load: ${/^\w*Error: .*/m.exec(stderr)?.[0] ?? `node ended with ${signal ?? status}`}`;
}

/** The note beside an addon of what it holds. */
const noteOf = (addon) => join(dirname(addon), 'built.json');

/** What an addon that was built here holds; undefined where nobody noted it. */
function contents(addon) {
  try {
    return JSON.parse(readFileSync(noteOf(addon), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Whether an addon holds all that is wanted; more is fine. */
function holds(addon, { has }) {
  const found = contents(addon);
  if (found === undefined) return false;
  return (found.isa === 'all' || found.isa === has.isa) && (found.simt || !has.simt) && (found.cuda || !has.cuda);
}

/** What is wanted and what an addon holds already: a build for tests that came first is not made smaller by npm ci. */
function widened(builder, wanted) {
  const found = existsSync(builder.addon) ? contents(builder.addon) : undefined;
  if (found === undefined) return builder;
  const isa = found.isa === 'all' ? 'all' : wanted.isa;
  const wider = { ...wanted, isa, simt: wanted.simt || found.simt, cuda: wanted.cuda || found.cuda };
  return buildersFor(wider).find(({ name }) => name === builder.name);
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
async function build(builder) {
  const { addon, tool, has } = builder;
  const parts = [has.isa === 'all' ? 'every instruction set' : has.isa, has.cuda && 'CUDA', has.simt && 'its stand-in'];
  console.log(`dartsmith: building the native addon with ${tool} (${parts.filter(Boolean).join(', ')})`);
  const { done, output } = await run(builder, { verbose: force });
  const trouble = done ? fault(addon) : gist(output) || 'it failed';
  if (trouble !== undefined) {
    rmSync(addon, { force: true }); // what is left of an older build would be loaded in its place
    return trouble;
  }
  writeFileSync(noteOf(addon), JSON.stringify(has));
  // A change that leads to no new link (a comment in a header that nothing includes) must not look stale for ever.
  utimesSync(addon, new Date(), new Date());
  return undefined;
}

/** Whether the package of this platform is installed and loads. */
function hasPlatformPackage() {
  try {
    return fault(require.resolve(`${platformPackage()}/dartsmith.node`)) === undefined;
  } catch {
    return false;
  }
}

/** Builds with the first builder that can, unless there is an addon already. Gives why none could, undefined when one did. */
async function buildFirst(choice, wanted) {
  const faults = [];
  for (const narrow of buildersFor(wanted)) {
    if (choice !== 'auto' && choice !== narrow.name) continue;
    const builder = widened(narrow, wanted);
    const { name, addon } = builder;
    const usable = existsSync(addon) && fault(addon) === undefined;
    if (usable && !force && !stale(addon) && holds(addon, narrow)) return undefined;
    const missing = lack(builder);
    // Kept although it is old: there is nothing here to make a newer one with.
    if (missing !== undefined && usable && !force) return undefined;
    const trouble = missing ?? (await build(builder));
    if (trouble === undefined) {
      console.log(`dartsmith: native addon ready (${name})`);
      return undefined;
    }
    faults.push(`${name}: ${trouble}`);
    // A developer wants to see this fail, not another build succeed.
    if (force && missing === undefined) break;
  }
  return faults;
}

const fallback = 'npm install @tensorflow/tfjs @tensorflow/tfjs-backend-wasm';

/** Says what there is instead of an addon, and keeps the reason for whoever asks later (src/backend/native/addon.ts). */
function giveUp(faults) {
  console.warn(`dartsmith: no native addon was built: install a C++20 compiler (g++ 11 or clang 14 and later) and make or cmake, then run
  npm rebuild dartsmith
or search with TensorFlow.js, about a hundred times as slowly, after
  ${fallback}
${faults.join('\n')}`);
  note(faults.join('; '));
}

/** Empty where there is an addon. */
function note(trouble) {
  const path = join(root, 'install-note.txt');
  if (trouble === '') return rmSync(path, { force: true });
  try {
    writeFileSync(path, `${trouble}\n`);
  } catch {
    // A folder that cannot be written keeps no note.
  }
}

async function install() {
  for (const [name, words] of Object.entries(choices)) {
    if (words.includes(chosen(name))) continue;
    console.error(`dartsmith: expected one of ${words.join(', ')} for ${name} but received '${process.env[name]}'`);
    process.exitCode = 1;
    return;
  }
  const choice = chosen('DARTSMITH_BUILD');
  if (choice === 'none') {
    console.log('dartsmith: DARTSMITH_BUILD=none, so no native addon was built');
    return note('the install ran with DARTSMITH_BUILD=none');
  }
  if (process.platform === 'win32') {
    console.warn(`dartsmith: there is no native engine for Windows: use WSL, where it builds as on Linux, or search with TensorFlow.js, about a hundred times as slowly, after
  ${fallback}`);
    return note('there is no native engine for Windows: use WSL');
  }
  const parts = wanted();
  // A platform package has no CUDA kernels, which somebody with a GPU and nvcc wants.
  if (choice === 'auto' && !force && !parts.cuda && hasPlatformPackage()) return note('');
  const faults = await buildFirst(choice, parts);
  if (faults === undefined) return note('');
  giveUp(faults);
  if (force || choice !== 'auto') process.exitCode = 1;
}

await install();
