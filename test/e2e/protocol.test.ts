// A protocol as a user runs it: killed hard wherever it is, gone on with, its table printed.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ProtocolResult } from '../../src/protocol/events.ts';
import { cli, runProcess } from '../helpers/process.ts';
import { scratch } from '../helpers/scratch.ts';

const tiny = ['--limit', '48', '--batch-size', '8', '--epochs', '1', '--init-channels', '2', '--layers', '3'];
// Scored on a few training images, not on all test images.
const then = 'train --batch-size 8 --epochs 1 --init-channels 2 --layers 3 --no-auxiliary --validation-portion 0.25';
const often = ['--checkpoint-seconds', '0', '--threads', '1'];
const protocol = (...args: readonly string[]) =>
  runProcess(process.execPath, [cli, 'protocol', ...args], { cwd: scratch() });

/** Kills a protocol without a word once it has begun so many runs, and a little later. */
async function killed(args: readonly string[], runs: number): Promise<NodeJS.Signals | null> {
  const child = spawn(process.execPath, [cli, 'protocol', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let seen = '';
  let isDying = false;
  child.stderr.on('data', (text) => {
    seen += text;
    if (isDying || seen.split(/^run/m).length <= runs) return;
    isDying = true;
    setTimeout(() => child.kill('SIGKILL'), 40 * runs);
  });
  await new Promise((resolve) => child.on('close', resolve));
  return child.signalCode;
}

/** Records of a type by journal. */
function recordsIn(directory: string, type: string): Record<string, Record<string, unknown>[]> {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  const journals = names.filter((name) => name.endsWith('journal.jsonl')).sort();
  return Object.fromEntries(
    journals.map((name) => {
      const lines = readFileSync(join(directory, name), 'utf8').split('\n');
      return [name, lines.filter((line) => line.startsWith(`{"type":"${type}"`)).map((line) => JSON.parse(line))];
    }),
  );
}

describe('dartsmith protocol', () => {
  it('killed hard again and again goes on to the same table, and runs nothing twice', async () => {
    const out = join(scratch(), 'protocol');
    const asked = ['--seeds', '2', ...tiny, '--then', then, '--arm', 'noisy=--noise-darts', ...often];
    const whole = await protocol(...asked, '--out', `${out}-whole`, '--json');
    expect(whole.code).toBe(0);
    for (const runs of [1, 2, 3]) expect(await killed([...asked, '--out', out], runs)).toBe('SIGKILL');
    expect(await killed(['--resume', out, ...often], 1)).toBe('SIGKILL');
    const { code, stdout } = await protocol('--resume', out, '--json');
    expect(code).toBe(0);
    const [expected, found] = [whole.stdout, stdout].map((text) => JSON.parse(text) as ProtocolResult);
    expect({ ...found, directory: '' }).toEqual({ ...expected, directory: '' });
    const starts = recordsIn(out, 'start');
    expect(Object.keys(starts)).toHaveLength(10);
    for (const list of Object.values(starts)) expect(list.filter(({ resumed }) => resumed === false)).toHaveLength(1);
    // Each step once, however often the process died.
    const places = (directory: string) =>
      Object.entries(recordsIn(directory, 'step')).map(([name, list]) => [name, list.map(({ step }) => step)]);
    expect(places(out)).toEqual(places(`${out}-whole`));
    expect(starts[join('random', 'seed-1', 'train', 'journal.jsonl')]).toBeDefined();

    const again = await protocol('--resume', out, '--markdown');
    expect(again.stderr).toBe('');
    expect(again.stdout).toMatch(/^validation accuracy in % \(higher is better\), seeds 0 to 1:\n\n\| arm \| n \|/);
    expect(readFileSync(join(out, 'table.md'), 'utf8')).toBe(again.stdout);
    expect(JSON.parse(readFileSync(join(out, 'table.json'), 'utf8')).tables).toEqual(found.tables);
  });

  it('takes a selection for a method, with both selections of the same supernet', async () => {
    const out = join(scratch(), 'protocol');
    const select = ['--method', 'projection', '--select-preset', 'quick', '--space', 's2', '--no-baseline'];
    const { code, stdout } = await protocol(...select, '--seeds', '1', ...tiny, '--then', then, '--out', out);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^darts +1 .*\nprojection +1 .*\nmagnitude +1 .*/m);
    for (const by of ['projection', 'magnitude']) {
      const config = JSON.parse(readFileSync(join(out, by, 'seed-0', 'select', 'config.json'), 'utf8'));
      expect(config).toMatchObject({ method: by, source: { directory: join(out, 'darts', 'seed-0', 'search') } });
    }
  });

  it('says of a folder without one what it is', async () => {
    const { code, stderr } = await protocol('--resume', scratch());
    expect([code, stderr.split('\n').length]).toEqual([1, 2]);
    expect(stderr).toMatch(/holds no protocol: there is no protocol\.json/);
  });
});
