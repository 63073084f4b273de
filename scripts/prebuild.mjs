// Makes what is published: prebuilt/*.tgz, a package for each platform that can be built here, which holds nothing but the addon
// with every instruction set, and dartsmith itself, which asks for them as optional dependencies. An install takes the one that
// fits (os, cpu, libc) and compiles nothing. `npm run prebuild [PLATFORM...]`, all that have a compiler here by default.
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { compileFor, lackFor, platforms } from './platforms.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'prebuilt');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

function run(command, args, options = {}) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed`);
}

/** The oldest C and C++ libraries that an addon runs with, as objdump tells; where it does not load, an install compiles. */
function oldestLibraries(addon, libc) {
  if (libc !== 'glibc') return libc ?? '';
  const { stdout } = spawnSync('objdump', ['-T', addon], { encoding: 'utf8' });
  const newest = (name) => {
    const versions = [...(stdout ?? '').matchAll(new RegExp(`${name}_([\\d.]+)`, 'g'))].map(([, version]) => version);
    const [last] = versions.sort((a, b) => b.localeCompare(a, undefined, { numeric: true }));
    return last && `${name} ${last} or later`;
  };
  return ['GLIBC', 'GLIBCXX'].map(newest).filter(Boolean).join(', ') || libc;
}

/** Packs a folder; gives the tarball's name. */
function pack(folder) {
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', out];
  return JSON.parse(execFileSync('npm', args, { cwd: folder, encoding: 'utf8' }))[0].filename;
}

function packPlatform(name, platform) {
  const { os, cpu, libc } = platform;
  const addon = join(compileFor(name), 'Release', 'dartsmith.node');
  const folder = join(out, name);
  mkdirSync(folder, { recursive: true });
  copyFileSync(addon, join(folder, 'dartsmith.node'));
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  const needs = [os, cpu, oldestLibraries(addon, libc)].filter(Boolean).join(', ');
  writeFileSync(
    join(folder, 'README.md'),
    `The native addon of [dartsmith](https://www.npmjs.com/package/dartsmith) for ${needs}.\n`,
  );
  const { version, license, repository } = manifest;
  const described = {
    ...{ name, version, description: `The native addon of dartsmith for ${needs}`, license, repository },
    ...{ main: 'dartsmith.node', files: ['dartsmith.node'], os: [os], cpu: [cpu], ...(libc && { libc: [libc] }) },
  };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(described, undefined, 2)}\n`);
  return pack(folder);
}

/** dartsmith itself, with the platforms' packages as optional dependencies, which a checkout cannot have: its lock file would name them. */
function packMain(names) {
  const tarball = join(out, pack(root));
  const folder = join(out, 'package');
  run('tar', ['-xzf', tarball, '-C', out]);
  const packages = Object.fromEntries(names.map((name) => [name, manifest.version]));
  const changed = { ...manifest, optionalDependencies: { ...manifest.optionalDependencies, ...packages } };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(changed, undefined, 2)}\n`);
  return pack(folder);
}

const asked = process.argv.slice(2);
for (const name of asked.filter((name) => !(name in platforms))) {
  console.error(`prebuild: expected platforms among ${Object.keys(platforms).join(', ')} but received '${name}'`);
  process.exit(2);
}
const entries = Object.entries(platforms).filter(([name]) => asked.length === 0 || asked.includes(name));
run(process.execPath, ['scripts/build_ts.mjs']);
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const made = [];
for (const entry of entries) {
  const [name] = entry;
  const lack = lackFor(name);
  if (lack === undefined) made.push([name, packPlatform(...entry)]);
  else console.log(`prebuild: ${name} is left out: ${lack}`);
}
const main = packMain(made.map(([name]) => name));
console.log(
  ['', ...made.map(([, tarball]) => tarball), main].map((name) => (name ? join('prebuilt', name) : name)).join('\n'),
);
