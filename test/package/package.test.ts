// The package as users get it: its shape, and its types under the ways in which TypeScript looks for them.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { packInto } from '../helpers/packed.ts';
import { root } from '../helpers/process.ts';

const folder = mkdtempSync(join(tmpdir(), 'dartsmith-test-'));
let tarball: string;
beforeAll(async () => {
  tarball = await packInto(folder);
  cpSync(join(root, 'test/types'), folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the compiler says of some files of the user's folder. */
function compile(name: string, compilerOptions: object, files: readonly string[]): string {
  const project = join(folder, `tsconfig.${name}.json`);
  // No skipLibCheck: the declarations themselves have to be right, with the libraries of Node 20 alone.
  const options = { target: 'es2022', strict: true, noEmit: true, types: ['node'], ...compilerOptions };
  writeFileSync(project, JSON.stringify({ compilerOptions: options, files }));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  return spawnSync(process.execPath, [tsc, '-p', project], { cwd: folder, encoding: 'utf8' }).stdout;
}

it('has nothing that publint finds fault with', async () => {
  const bytes = Uint8Array.from(readFileSync(tarball));
  const { messages, pkg } = await publint({ pack: { tarball: bytes.buffer }, strict: true });
  expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
});

it.each([
  ['node16', 'node16'],
  ['esnext', 'bundler'],
])('has types for modules of %s, resolved as by %s', (module, moduleResolution) => {
  expect(compile(moduleResolution, { module, moduleResolution }, ['api.ts'])).toBe('');
});

it('has types that notice a wrong program', () => {
  writeFileSync(join(folder, 'wrong.ts'), "import { search } from 'dartsmith';\nsearch({ seed: '1' });\n");
  expect(compile('wrong', { module: 'node16' }, ['wrong.ts'])).toContain('TS2322');
});
