// Makes gpu-pack/, what `npm run gpu:check` needs on a machine with nvcc, cmake and a C++ compiler, but neither Node nor a
// network: this Node, compressed; headers to compile the addon with; the check as plain JavaScript; run.sh. Beside a copy of
// the working tree, `bash gpu-pack/run.sh` is the whole check. --out FOLDER makes it elsewhere, --without-node leaves Node out.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const { values } = parseArgs({ options: { out: { type: 'string' }, 'without-node': { type: 'boolean' } } });
const pack = resolve(values.out ?? join(root, 'gpu-pack'));

/** src, bench/gpu and what they import, compiled; the Python peers beside their drivers. */
function packScripts() {
  const js = join(pack, 'js');
  rmSync(js, { recursive: true, force: true });
  const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.gpu.json', '--outDir', js], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
  copyFileSync(join(root, 'package.json'), join(js, 'package.json'));
  copyFileSync(join(root, 'bench', 'gpu', 'facts.cu'), join(js, 'bench', 'gpu', 'facts.cu'));
  for (const file of readdirSync(join(root, 'bench', 'peers')).filter((name) => name.endsWith('.py'))) {
    copyFileSync(join(root, 'bench', 'peers', file), join(js, 'bench', 'peers', file));
  }
}

/** Headers of Node-API and of its C++ form. */
function packHeaders() {
  const include = join(pack, 'include');
  mkdirSync(include, { recursive: true });
  cpSync(join(dirname(require.resolve('node-api-headers/package.json')), 'include'), include, { recursive: true });
  const cpp = dirname(require.resolve('node-addon-api/package.json'));
  for (const file of readdirSync(cpp).filter((name) => name.endsWith('.h'))) {
    copyFileSync(join(cpp, file), join(include, file));
  }
}

/** This Node, for a machine of the same kind. Takes most of a minute, so that one of the same version is kept. */
function packNode() {
  const packed = join(pack, 'node.xz');
  const version = `${process.version} ${process.platform} ${process.arch}`;
  const note = join(pack, 'node.version');
  if (existsSync(packed) && existsSync(note) && readFileSync(note, 'utf8') === version) return;
  console.log(`gpu-pack: compressing node ${version} (most of a minute)`);
  const bytes = execFileSync('xz', ['-6', '--threads=0', '--stdout', process.execPath], { maxBuffer: 2 ** 30 });
  writeFileSync(packed, bytes);
  writeFileSync(note, version);
}

/** The commit, which a copy of the tree without .git cannot tell. */
function packCommit() {
  const git = (...args) => spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout?.trim() ?? '';
  const changed = git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '-dirty';
  writeFileSync(join(pack, 'commit'), `${git('rev-parse', 'HEAD') || 'unknown'}${changed}\n`);
}

mkdirSync(pack, { recursive: true });
packScripts();
packHeaders();
packCommit();
copyFileSync(join(root, 'scripts', 'gpu_run.sh'), join(pack, 'run.sh'));
if (!values['without-node']) packNode();
const bytes = readdirSync(pack, { recursive: true })
  .map((name) => statSync(join(pack, name)))
  .reduce((sum, status) => sum + (status.isFile() ? status.size : 0), 0);
console.log(`gpu-pack: ${(bytes / 2 ** 20).toFixed(1)} MiB in ${pack}`);
