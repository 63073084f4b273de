// The programs of docs/device.md, which go on from one another, run as they are printed.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../helpers/process.ts';

it('the programs of the page about devices run as they are printed', () => {
  const page = readFileSync(join(root, 'docs/device.md'), 'utf8');
  const program = [...page.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code]) => code).join('');
  const args = ['--input-type=module', '--eval', program];
  const lines = execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' }).trim().split('\n');
  expect(lines).toHaveLength(7);
  expect(lines[0]).toMatch(/ 40$/);
  expect(Number(lines[1])).toBeLessThanOrEqual(0);
  expect(lines[2]).toBe('32');
  expect(Number(lines[6])).toBeGreaterThan(0);
});
