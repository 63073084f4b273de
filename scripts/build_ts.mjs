// Compiles src to dist when the compiler is there (a checkout); a packed install already carries dist.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const tsc = `${root}/node_modules/typescript/bin/tsc`;
if (!existsSync(tsc)) {
  console.error('typescript is not installed: run npm ci with development dependencies');
  process.exit(existsSync(`${root}/dist/index.js`) ? 0 : 1);
}
// Beside dist and then in its place: a command line that runs from dist meanwhile finds its files.
const next = `${root}/dist-${process.pid}`;
const args = [tsc, '-p', 'tsconfig.build.json', '--outDir', next];
const inherit = { cwd: root, stdio: 'inherit' };
let { status } = spawnSync(process.execPath, args, inherit);
if (status === 0) {
  // The dashboard's page, for browsers: bundled, so that it needs nothing else.
  const vite = [`${root}/node_modules/vite/bin/vite.js`, 'build', '--config', 'scripts/page_config.ts'];
  status = spawnSync(process.execPath, [...vite, '--outDir', `${next}/dashboard/page`], inherit).status;
}
if (status === 0) {
  chmodSync(`${next}/cli/bin.cjs`, 0o755);
  rmSync(`${root}/dist`, { recursive: true, force: true });
  renameSync(next, `${root}/dist`);
}
rmSync(next, { recursive: true, force: true });
process.exit(status ?? 1);
