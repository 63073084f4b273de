// Whether alpha tells how good candidates are, as a user asks: killed in the middle, asked again, asked for JSON.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cli, runProcess } from '../helpers/process.ts';
import { scratch } from '../helpers/scratch.ts';

const dartsmith = (...args: string[]) => runProcess(process.execPath, [cli, ...args], { cwd: scratch() });

/** Runs the command and kills it hard once stderr has a text. */
async function killOn(text: string, ...args: string[]): Promise<NodeJS.Signals | null> {
  const child = spawn(process.execPath, [cli, ...args]);
  let seen = '';
  child.stderr.on('data', (more) => {
    seen += more;
    if (seen.includes(text)) child.kill('SIGKILL');
  });
  await new Promise((resolve) => child.on('close', resolve));
  return child.signalCode;
}

it('the first stage of a search by StacNAS, held against trainings of the candidates', async () => {
  const found = join(scratch(), 'found');
  const sizes = ['--limit', '48', '--batch-size', '16', '--init-channels', '2', '--layers', '3'];
  const search = ['search', '--method', 'stacnas', '--stage', 'search1', ...sizes, '--epochs', '1'];
  expect((await dartsmith(...search, '--out', found)).code).toBe(0);
  const training = [...sizes, '--epochs', '2', '--no-auxiliary', '--validation-portion', '0.2'];
  const correlate = ['correlate', found, ...training];
  expect(await killOn('candidate 2/4', ...correlate)).toBe('SIGKILL');
  const folder = join(found, 'correlate');
  expect(existsSync(join(folder, 'correlate.json'))).toBe(false);

  const { code, stdout, stderr } = await dartsmith(...correlate);
  expect({ code, first: stderr.includes('candidate 1/4') }).toEqual({ code: 0, first: false });
  expect(stderr).toMatch(/candidate 4\/4 dil_conv_3x3 {2}epoch 2\/2 {2}train [\d.]+% .*test [\d.]+%/);
  expect(stdout).toMatch(/^stage search1, edge normal\.0\.[01]: the search chose \w+; mixing weights by softmax\n/);
  const rows = stdout.match(/^\w+ +-?0\.\d{4} +0\.\d{4} +\d+\.\d\d%$/gm);
  expect(rows).toHaveLength(4);
  // Four points are too few for Kendall's interval.
  expect(stdout).toMatch(/^Kendall's tau +(-?[01]\.\d{3}|-) +-$/m);
  const candidates = ['max_pool_3x3', 'skip_connect', 'sep_conv_3x3', 'dil_conv_3x3'];
  const files = [...candidates, 'correlate.json', 'correlate.png', 'correlate.svg'].sort();
  expect(readdirSync(folder).sort()).toEqual(files);
  const svg = readFileSync(join(folder, 'correlate.svg'), 'utf8');
  for (const text of ['Pearson r ', 'stage search1, edge normal.0', ...candidates]) expect(svg).toContain(text);
  expect(readFileSync(join(folder, 'correlate.png')).subarray(1, 4).toString()).toBe('PNG');

  const again = await dartsmith(...correlate, '--json');
  expect(again.stderr).toBe('');
  expect(JSON.parse(again.stdout)).toEqual(JSON.parse(readFileSync(join(folder, 'correlate.json'), 'utf8')));
  const other = await dartsmith(...correlate, '--seed', '7');
  expect({ code: other.code, lines: other.stderr.split('\n').length }).toEqual({ code: 1, lines: 2 });
  expect(other.stderr).toContain('max_pool_3x3 holds a training with seed 0 rather than 7: choose another folder');
});
