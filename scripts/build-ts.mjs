// Compiles src to dist when the compiler is there (a checkout); a packed install already carries dist.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const tsc = `${root}/node_modules/typescript/bin/tsc`;
if (!existsSync(tsc)) {
  console.error('typescript is not installed: run npm ci with development dependencies');
  process.exit(existsSync(`${root}/dist/index.js`) ? 0 : 1);
}
rmSync(`${root}/dist`, { recursive: true, force: true });
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
if (status === 0) chmodSync(`${root}/dist/cli/main.js`, 0o755);
process.exit(status ?? 1);
