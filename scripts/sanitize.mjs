// Builds the addon under each sanitizer and runs the kernel tests against it: `sanitize [address] [undefined] [thread]`,
// all three by default. Node itself is not instrumented, so the sanitizer's runtime is loaded before it.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);

/** The runtime library that must be loaded first, and options that keep what Node does from being reported. */
const sanitizers = {
  address: { runtime: 'libasan.so', options: { ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1' } },
  undefined: { runtime: 'libubsan.so', options: { UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1' } },
  thread: {
    runtime: 'libtsan.so',
    options: { TSAN_OPTIONS: `suppressions=${join(root, 'scripts/tsan.supp')}:halt_on_error=1:report_signal_unsafe=0` },
  },
};

/** Left out: tests of the process (memory limits, killed workers), which a sanitizer changes. */
const kernelTests = readdirSync(join(root, 'test/kernels'))
  .filter((file) => file.endsWith('.test.ts') && !['abort.test.ts', 'threads.test.ts'].includes(file))
  .map((file) => `test/kernels/${file}`);

function run(command, args, env = {}) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
  if (status !== 0) process.exit(status ?? 1);
}

/** Where the compiler keeps a runtime library. */
function runtimePath(name) {
  return spawnSync(process.env.CXX ?? 'c++', [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout.trim();
}

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(sanitizers);
for (const name of names) {
  if (!(name in sanitizers)) {
    console.error(`expected sanitizers among ${Object.keys(sanitizers).join(', ')} but received '${name}'`);
    process.exit(2);
  }
  const { runtime, options } = sanitizers[name];
  const out = `build-sanitize-${name}`;
  const cmakeJs = join(dirname(require.resolve('cmake-js/package.json')), 'bin/cmake-js');
  console.log(`\n=== ${name} sanitizer: building in ${out}`);
  run(process.execPath, [
    cmakeJs,
    'compile',
    '--out',
    out,
    '--parallel',
    '0',
    `--CDDARTSMITH_SANITIZE=${name}`,
    '--CDDARTSMITH_SIMT=ON',
    '--CDDARTSMITH_ISA=all',
  ]);
  const vitest = join(dirname(require.resolve('vitest/package.json')), 'vitest.mjs');
  run(process.execPath, [vitest, 'run', ...kernelTests, '--testTimeout=600000'], {
    ...options,
    LD_PRELOAD: runtimePath(runtime),
    DARTSMITH_ADDON: join(root, out, 'Release', 'dartsmith.node'),
  });
}
