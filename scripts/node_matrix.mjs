// `npm run test:node`: the addon, the command and some tests under every Node that is promised, as far as npm has them. A search is
// interrupted and resumed under each; it must leave the bytes that this Node's leaves.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const command = join(root, 'dist/cli/bin.cjs');
const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
const majors = [20, 22, 24];
/** What leans on Node most: threads, files, worker pools, random numbers, a whole run. */
const tests = ['test/kernels/threads', 'test/unit/io', 'test/unit/load', 'test/unit/random', 'test/unit/run'];
const size = ['--limit', '64', '--epochs', '2', '--batch-size', '16', '--init-channels', '2', '--layers', '3'];

const folder = mkdtempSync(join(tmpdir(), 'dartsmith-node-'));
let failures = 0;
try {
  const expected = await interruptedSearch(process.execPath);
  for (const major of majors) {
    const { node, missing } = nodeOf(major);
    if (node === undefined) console.log(`Node ${major}: left out, ${missing}`);
    else await tryUnder(node, expected);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failures === 0 ? 0 : 1;

/** The newest Node of a major version: this one, or the platform package that npm's `node` is made of. */
function nodeOf(major) {
  if (process.versions.node.startsWith(`${major}.`)) return { node: process.execPath };
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const into = join(folder, String(major));
  // An absent registry must not hold up whoever works without one.
  const options = [
    '--no-save',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--fetch-retries=1',
    '--fetch-timeout=60000',
  ];
  const { status, stderr } = spawnSync('npm', ['install', '--prefix', into, ...options, `${name}@${major}`], {
    encoding: 'utf8',
    cwd: folder,
  });
  const node = join(into, 'node_modules', name, 'bin/node');
  if (status === 0 && existsSync(node)) return { node };
  return { missing: `${name}@${major} cannot be had: ${stderr.trim().split('\n')[0]}` };
}

async function tryUnder(node, expected) {
  const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim();
  const steps = {
    doctor: () => succeeds(node, [command, 'doctor']),
    'an interrupted search': async () => (await interruptedSearch(node))?.equals(expected ?? Buffer.alloc(0)) ?? false,
    tests: () => succeeds(node, [vitest, 'run', '--project', 'fast', ...tests]),
  };
  for (const [name, step] of Object.entries(steps)) {
    const right = await step();
    if (!right) failures++;
    console.log(`Node ${version}: ${name} ${right ? 'passes' : 'FAILS'}`);
  }
}

/** What it prints is shown only where it fails. */
function succeeds(node, args) {
  const { status, stdout, stderr } = spawnSync(node, args, { cwd: root, encoding: 'utf8' });
  if (status !== 0) console.error(`${stdout}${stderr}`);
  return status === 0;
}

/** The checkpoint of a search that gets a SIGINT after its first step and is resumed; undefined where one of the two fails. */
async function interruptedSearch(node) {
  const out = join(mkdtempSync(join(folder, 'run-')), 'run');
  const search = spawn(node, [command, 'search', '--json', ...size, '--out', out], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const step = '"type":"step"';
  let [stdout, stderr] = ['', ''];
  search.stdout.on('data', (text) => {
    const before = stdout;
    stdout += text;
    // Once: a second one ends it without a checkpoint.
    if (stdout.includes(step) && !before.includes(step)) search.kill('SIGINT');
  });
  search.stderr.on('data', (text) => {
    stderr += text;
  });
  const code = await new Promise((resolve) => search.on('close', resolve));
  if (code !== 130)
    console.error(`expected the interrupted search to end with 130 but it ended with ${code}:\n${stderr}`);
  if (code !== 130 || !succeeds(node, [command, 'search', '--resume', out])) return undefined;
  return readFileSync(join(out, 'checkpoint.safetensors'));
}
