// Installing as users do, from tarballs: with the platform's package, with cmake, without it, and without any compiler.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ended, root, runProcess } from '../helpers/process.ts';

const { platformPackage } = (await import(new URL('../../scripts/machine.mjs', import.meta.url).href)) as {
  platformPackage(): string;
};
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

const tiny = 'search --limit 32 --epochs 1 --batch-size 16 --init-channels 2 --layers 3 --out run'.split(' ');
const buildMillis = 600_000;
const cmakeOnly = /^(cmake|cmake\.exe)$/;
const compilers = /^(cmake|ninja|g?make|nvcc|(.*-)?(cc|gcc|g\+\+|c\+\+|clang|clang\+\+)(-[\d.]+)?)$/;

const answers = (program: string) => spawnSync(program, ['--version']).status === 0;
const canBuild = process.platform !== 'win32' && answers('make') && answers('c++');

let folder: string;
let packed: { readonly tarball: string; readonly paths: readonly string[]; readonly unpackedSize: number };

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dartsmith-install-'));
  // Without scripts: `prepare` would compile dist anew under the feet of the other tests.
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const [{ filename, files, unpackedSize }] = JSON.parse(execFileSync('npm', args, { cwd: root, encoding: 'utf8' }));
  const paths = files.map(({ path }: { path: string }) => path);
  packed = { tarball: join(folder, filename), paths, unpackedSize };
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The unpacked tarball with this checkout's dependencies in reach. */
function unpack(name: string): string {
  const parent = join(folder, name);
  mkdirSync(parent);
  execFileSync('tar', ['-xzf', packed.tarball, '-C', parent]);
  symlinkSync(join(root, 'node_modules'), join(parent, 'node_modules'));
  return join(parent, 'package');
}

/** A folder of links to all programs on the PATH but those whose name matches. */
function pathWithout(name: string, hidden: RegExp): NodeJS.ProcessEnv {
  const links = join(folder, name);
  mkdirSync(links);
  for (const place of (process.env['PATH'] ?? '').split(delimiter)) {
    for (const program of existsSync(place) ? readdirSync(place) : []) {
      const link = join(links, program);
      if (!hidden.test(program) && !existsSync(link)) symlinkSync(join(place, program), link);
    }
  }
  return { PATH: links, CC: undefined, CXX: undefined };
}

/** What an installation brings: a linked package finds its own dependencies beside the one that the link leads to. */
const dependencies = () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }).map((name) =>
    join('node_modules', name),
  );
};

const install = (cwd: string, environment: NodeJS.ProcessEnv, ...args: string[]) =>
  runProcess(process.execPath, ['scripts/install.mjs', ...args], { cwd, environment, background: true });
const dartsmith = (cwd: string, ...args: string[]) =>
  runProcess(process.execPath, [join(cwd, 'dist/cli/bin.cjs'), ...args], { cwd });
const succeeded = (ended: Ended) => expect(ended, ended.stderr).toMatchObject({ code: 0 });

describe('the tarball', () => {
  it('holds the compiled package, what a build needs, and nothing else', () => {
    const expected =
      /^(dist\/.*\.(js|d\.ts|cjs|d\.cts)|dist\/dashboard\/page\/(index\.html|icon\.svg|licences\.txt|assets\/[\w-]+\.css)|native\/(?!simt)(.*\.(cc|cuh?|h)|sources\.json)|cmake\/cuda\.cmake|scripts\/(builders|install|machine|progress|sources)\.mjs|binding\.gyp|CMakeLists\.txt|package\.json|[A-Z]+\.md|LICENSE)$/;
    expect(packed.paths.filter((path) => !expected.test(path))).toEqual([]);
    // No second copy of anything, no binaries: what is written by hand stays below.
    expect(packed.unpackedSize).toBeLessThan(5e6);
  });

  it('holds every file that package.json and native/sources.json name but the stand-in for tests', () => {
    const { bin, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const { instruction_sets, nvcc, simt, ...groups } = JSON.parse(
      readFileSync(join(root, 'native/sources.json'), 'utf8'),
    );
    const targets = Object.values<string | Record<string, string>>(exports).flatMap((entry) =>
      typeof entry === 'string' ? [entry] : Object.values(entry),
    );
    const sources = Object.values<readonly string[]>(groups).flat();
    const named = [bin.dartsmith, ...targets.map((path) => path.replace('./', '')), ...sources];
    expect(named.filter((path) => !packed.paths.includes(path))).toEqual([]);
  });
});

describe.skipIf(!canBuild)('installed into an empty project', () => {
  const program = `
import { formatGenotype, search, type SearchEvent } from 'dartsmith';
const run = search({ limit: 64, settings: { epochs: 1, batchSize: 16, initChannels: 2, layers: 3 } });
const types: SearchEvent['type'][] = [];
for await (const event of run) types.push(event.type);
console.log(types.join(), formatGenotype((await run.result).genotype));
`;
  const misuse = `import { search } from 'dartsmith';\nsearch({ limit: 'all' });\n`;
  let project: string;

  beforeAll(async () => {
    project = join(folder, 'project');
    mkdirSync(project);
    writeFileSync(join(project, 'package.json'), '{ "name": "project", "private": true, "type": "module" }');
    succeeded(
      await runProcess('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', packed.tarball], {
        cwd: project,
        background: true,
      }),
    );
    for (const types of ['@types/node', 'undici-types']) {
      cpSync(join(root, 'node_modules', types), join(project, 'node_modules', types), { recursive: true });
    }
  }, buildMillis);

  const npx = (...args: string[]) => runProcess('npx', ['--no-install', 'dartsmith', ...args], { cwd: project });

  it('built its addon in its own folder, with cmake where there is one', async () => {
    const build = answers('cmake') ? 'build-cmake' : 'build';
    const addon = join(project, 'node_modules/dartsmith', build, 'Release/dartsmith.node');
    const doctor = await npx('doctor');
    succeeded(doctor);
    expect(doctor.stdout).toContain(`addon: ${addon}\n`);
  });

  it('searches by npx', async () => {
    const ended = await npx(...tiny);
    succeeded(ended);
    expect(ended.stdout).toContain('Genotype(normal=');
    expect(JSON.parse(readFileSync(join(project, 'run/genotype.json'), 'utf8'))).toHaveProperty('reduce');
  });

  it('has types that a strict nodenext program is checked against, and searches by import', async () => {
    writeFileSync(join(project, 'good.ts'), program);
    writeFileSync(join(project, 'bad.ts'), misuse);
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const options = '--strict --module nodenext --moduleResolution nodenext --target es2022 --types node'.split(' ');
    const compile = (file: string) => runProcess(process.execPath, [tsc, ...options, file], { cwd: project });
    expect(await compile('good.ts')).toEqual({ code: 0, stdout: '', stderr: '' });
    expect((await compile('bad.ts')).stdout).toMatch(/^bad\.ts\(2,10\): error TS2322: Type 'string'/);
    const ended = await runProcess(process.execPath, ['good.js'], { cwd: project });
    succeeded(ended);
    expect(ended.stdout).toMatch(/^start,step,step,epoch,genotype Genotype\(normal=/);
  });
});

/** What `npm run prebuild` makes of this checkout's addon, without compiling it anew. */
function packPlatform(): string {
  const name = platformPackage();
  const place = join(folder, name);
  mkdirSync(place);
  cpSync(join(root, 'build-cmake/Release/dartsmith.node'), join(place, 'dartsmith.node'));
  writeFileSync(join(place, 'package.json'), JSON.stringify({ name, version, main: 'dartsmith.node' }));
  execFileSync('npm', ['pack', '--pack-destination', folder], { cwd: place });
  return join(folder, `${name}-${version}.tgz`);
}

describe.skipIf(process.platform === 'win32')('beside the package of the platform, without a compiler', () => {
  let environment: NodeJS.ProcessEnv;
  let tarballs: readonly string[];

  beforeAll(() => {
    environment = pathWithout('platform', compilers);
    tarballs = [packed.tarball, packPlatform()];
  });

  it.each([
    ['npm', ['npm', 'install', '--no-audit', '--no-fund', '--prefer-offline']],
    ['npm without scripts', ['npm', 'install', '--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts']],
    ['pnpm', ['npx', '--yes', 'pnpm@10', 'add']],
  ])('%s compiles nothing, and it searches', { timeout: buildMillis }, async (name, [program, ...args]) => {
    const project = join(folder, `beside-${name.replaceAll(' ', '-')}`);
    mkdirSync(project);
    writeFileSync(join(project, 'package.json'), '{ "name": "project", "private": true }');
    succeeded(await runProcess(program, [...args, ...tarballs], { cwd: project, environment, background: true }));
    const npx = (...args: string[]) =>
      runProcess('npx', ['--no-install', 'dartsmith', ...args], { cwd: project, environment });
    expect((await npx('doctor')).stdout).toMatch(new RegExp(`addon: .*${platformPackage()}.*dartsmith\\.node$`, 'm'));
    const ended = await npx(...tiny);
    succeeded(ended);
    expect(ended.stdout).toContain('Genotype(normal=');
    const addons = readdirSync(join(project, 'node_modules/dartsmith')).filter((entry) => entry.startsWith('build'));
    expect(addons).toEqual([]);
  });

  it('a package whose addon does not load is passed over', async () => {
    const unpacked = unpack('broken-platform');
    rmSync(join(unpacked, '..', 'node_modules'));
    const broken = join(unpacked, 'node_modules', platformPackage());
    mkdirSync(broken, { recursive: true });
    writeFileSync(join(broken, 'dartsmith.node'), 'no addon');
    const { code, stderr } = await install(unpacked, environment);
    expect(code).toBe(0);
    expect(stderr).toContain('dartsmith: no native addon was built');
  });
});

describe.skipIf(!canBuild)('without cmake', () => {
  let unpacked: string;
  let addon: string;
  let environment: NodeJS.ProcessEnv;
  let first: Ended;

  beforeAll(async () => {
    unpacked = unpack('gyp');
    addon = join(unpacked, 'build/Release/dartsmith.node');
    environment = pathWithout('no-cmake', cmakeOnly);
    first = await install(unpacked, environment);
  }, buildMillis);

  it('builds with node-gyp, loads and searches', async () => {
    succeeded(first);
    expect(first.stdout).toContain('native addon ready (gyp)');
    expect(existsSync(join(unpacked, 'build-cmake'))).toBe(false);
    succeeded(await dartsmith(unpacked, ...tiny));
    expect((await dartsmith(unpacked, 'doctor')).stdout).toContain(`addon: ${addon}\n`);
  });

  it('does nothing the second time', async () => {
    const { mtimeMs } = statSync(addon);
    expect(await install(unpacked, environment)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(statSync(addon).mtimeMs).toBe(mtimeMs);
  });

  it('builds again after a source changed, once', { timeout: buildMillis }, async () => {
    const { mtimeMs } = statSync(addon);
    appendFileSync(join(unpacked, 'native/binding/addon.cc'), '// changed\n');
    expect((await install(unpacked, environment)).stdout).toContain('native addon ready (gyp)');
    expect(statSync(addon).mtimeMs).toBeGreaterThan(mtimeMs);
    expect(await install(unpacked, environment)).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('keeps an addon that is older than its sources where nothing can build a newer one', async () => {
    utimesSync(addon, 0, 0);
    const bare = { ...environment, PATH: join(folder, 'empty') };
    expect(await install(unpacked, bare)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(existsSync(addon)).toBe(true);
  });

  it('shows the compiler error of a build that fails, and keeps no addon of older sources', async () => {
    appendFileSync(join(unpacked, 'native/binding/addon.cc'), '#error planted by the test\n');
    const { code, stderr } = await install(unpacked, environment);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^gyp: .*error: #error planted by the test/m);
    expect(existsSync(addon)).toBe(false);
    expect(await install(unpacked, environment, '--force')).toMatchObject({ code: 1 });
  }, 120_000);
});

describe.skipIf(process.platform === 'win32')('without any compiler', () => {
  let unpacked: string;
  let environment: NodeJS.ProcessEnv;

  beforeAll(() => {
    unpacked = unpack('none');
    environment = pathWithout('no-compiler', compilers);
  });

  it('installs, and says what is missing', async () => {
    const { code, stdout, stderr } = await install(unpacked, environment);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr.split('\n')).toEqual([
      expect.stringMatching(/^dartsmith: no native addon was built: install a C\+\+20 compiler .*, then run$/),
      '  npm rebuild dartsmith',
      'or search with TensorFlow.js, about a hundred times as slowly, after',
      '  npm install @tensorflow/tfjs @tensorflow/tfjs-backend-wasm',
      'cmake: cmake is not on the PATH',
      'gyp: make is not on the PATH',
      '',
    ]);
  });

  it('still draws, counts and explains', async () => {
    succeeded(await dartsmith(unpacked, 'draw', 'DARTS_V2', '--out', 'cells.svg'));
    expect(readFileSync(join(unpacked, 'cells.svg'), 'utf8')).toContain('sep_conv_3x3');
    expect((await dartsmith(unpacked, 'info', 'DARTS_V2')).stdout).toMatch(/^parameters +3\.349 M$/m);
    const doctor = await dartsmith(unpacked, 'doctor');
    expect(doctor.code).toBe(0);
    expect(doctor.stdout).toMatch(
      /^ {2}cpu +not usable +the native addon is not built \(cmake: cmake is not on the PATH/m,
    );
    expect(doctor.stdout).toMatch(/^ {2}tfjs +used +the reference, slow: TensorFlow\.js \S+, wasm$/m);
  });

  it('searches with TensorFlow.js, and says what is missing and how much slower that is', async () => {
    const { code, stdout, stderr } = await dartsmith(unpacked, ...tiny);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stderr).toMatch(
      /the native addon is not built \(.*\): npm rebuild dartsmith builds it where there is a C\+\+20/,
    );
    expect(stderr).toMatch(/TensorFlow\.js takes its place, about a hundred times as slowly/);
    expect(stdout + stderr).toContain('Genotype(normal=');
    expect(existsSync(join(unpacked, 'run', 'genotype.json'))).toBe(true);
  }, 300_000);

  it('tells an install script that never ran from a compiler that is missing, and what TensorFlow.js would need', async () => {
    const bare = unpack('never-ran');
    rmSync(join(bare, '..', 'node_modules'));
    for (const place of dependencies().filter((place) => existsSync(join(root, place)))) {
      mkdirSync(dirname(join(bare, place)), { recursive: true });
      symlinkSync(join(root, place), join(bare, place));
    }
    const { code, stderr } = await dartsmith(bare, ...tiny);
    expect(code).toBe(1);
    expect(stderr).toContain('is not built since the install script did not run');
    expect(stderr).toContain(
      'TensorFlow.js is not installed: npm install @tensorflow/tfjs @tensorflow/tfjs-backend-wasm',
    );
  });

  it.each([
    ['none', 0, /^$/],
    ['cmake', 1, /^cmake: cmake is not on the PATH$/m],
    ['gyp', 1, /^gyp: make is not on the PATH$/m],
    ['cmkae', 1, /^dartsmith: expected one of auto, cmake, gyp, none for DARTSMITH_BUILD but received 'cmkae'\n$/],
  ])('DARTSMITH_BUILD=%s ends with %i', async (choice, code, message) => {
    const ended = await install(unpacked, { ...environment, DARTSMITH_BUILD: choice });
    expect(ended).toMatchObject({ code, stderr: expect.stringMatching(message) });
  });
});
