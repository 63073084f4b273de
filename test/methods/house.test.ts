// The proof that the house is one: a method that is in no registry gets the whole command line, its files and their story.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { runCommandLine } from '../../src/cli/program.ts';
import { parseGenotype } from '../../src/genotype/text.ts';
import type { Method } from '../../src/methods/method.ts';
import { methods } from '../../src/methods/registry.ts';
import { contentsOf } from '../helpers/run_contents.ts';
import { scratch } from '../helpers/scratch.ts';
import { randomSearch } from './random_search.ts';

const tiny = '--limit 48 --batch-size 8 --epochs 2 --init-channels 2 --backend cpu --threads 1'.split(' ');

afterEach(() => vi.restoreAllMocks());

/** A command line with the method at hand; `each` is told each piece of its output. */
async function dartsmith(
  args: readonly string[],
  each: (text: string) => void = () => {},
  known: readonly Method[] = [...methods, randomSearch],
) {
  let [stdout, stderr] = ['', ''];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += text;
    each(String(text));
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += text;
    return true;
  });
  const code = await runCommandLine(args, known);
  vi.restoreAllMocks();
  return { code, stdout, stderr };
}

describe('a method of at most 80 lines', () => {
  it('is one', () => {
    const text = readFileSync(new URL('random_search.ts', import.meta.url), 'utf8');
    expect(text.split('\n').length).toBeLessThanOrEqual(80);
  });

  it('is listed, and has help of its own', async () => {
    expect((await dartsmith(['methods'])).stdout).toMatch(/^search +random +random search +arXiv:1902\.07638 +quick/m);
    const { stdout } = await dartsmith(['search', '--method', 'random', '--help']);
    expect(stdout).toContain('Draws an architecture at random');
    expect(stdout).toMatch(/--draw <number> +which of the genotypes of a seed \(default: 0\)/);
    expect(stdout).toContain('dartsmith search --method random --draw 3');
    expect(stdout).not.toContain('--arch-learning-rate');
    expect((await dartsmith(['search', '--help'])).stdout).toMatch(
      /darts, fairdarts, stacnas,\s+cdarts,\s+sdarts,\s+blank,\s+darts-rnn,\s+random/,
    );
  });

  it('refuses what is none of its settings, as every method does', async () => {
    const wrong = await dartsmith(['search', '--method', 'random', '--drew', '3']);
    expect(wrong).toMatchObject({ code: 2, stderr: "dartsmith: unknown option '--drew' (Did you mean --draw?)\n" });
    const other = await dartsmith(['search', '--method', 'random', '--unrolled']);
    expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining("unknown option '--unrolled'") });
  });

  it('writes a run directory, shows progress, and tells its story', async () => {
    const out = join(scratch(), 'run');
    const { code, stdout } = await dartsmith(['search', '--method', 'random', ...tiny, '--out', out, '--draw', '2']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^epoch 1\/2 {2}step 3\/3 {2}loss [\d.]+ {2}acc /m);
    expect(stdout).toMatch(/^epoch 2\/2 {2}train [\d.]+% \(loss [\d.]+\) {2}validation [\d.]+% \(loss [\d.]+\)/m);
    const config = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'));
    expect(config).toMatchObject({ command: 'search', method: 'random', settings: { draw: 2, layers: 3 } });
    const genotype = parseGenotype(readFileSync(join(out, 'genotype.txt'), 'utf8'));
    const story = await dartsmith(['show', out]);
    expect(story.stdout).toMatch(/^search by random \(random search, arXiv:1902\.07638\), begun /);
    expect(story.stdout).toMatch(/^settings: .*, draw 2$/m);
    // What was drawn does not change.
    expect(story.stdout.match(/normal 2 = /g)).toHaveLength(1);
    expect(parseGenotype(story.stdout)).toEqual(genotype);
    const records = (await dartsmith(['show', out, '--json'])).stdout.trimEnd().split('\n');
    const types = records.map((record) => JSON.parse(record).type);
    const epoch = ['epoch', 'genotype', 'alpha'];
    expect(types).toEqual(['start', 'layout', 'alpha', ...epoch, ...epoch, 'result']);
  });

  it('is interrupted and resumed to the same bytes, and tells of both', async () => {
    const [whole, out] = [join(scratch(), 'whole'), join(scratch(), 'run')];
    await dartsmith(['search', '--method', 'random', ...tiny, '--out', whole]);
    let told = false;
    const stopped = await dartsmith(['search', '--method', 'random', ...tiny, '--out', out], (text) => {
      if (!told && text.includes('epoch 2/2')) process.emit('SIGTERM');
      told ||= text.includes('epoch 2/2');
    });
    expect(stopped.code).toBe(143);
    expect(stopped.stderr).toContain(`go on with: dartsmith search --resume ${out}`);
    expect((await dartsmith(['show', out])).stdout).not.toContain('result:');
    expect((await dartsmith(['search', '--resume', out, '--backend', 'cpu', '--threads', '1'])).code).toBe(0);
    expect(contentsOf(out)).toEqual(contentsOf(whole));
    expect((await dartsmith(['show', out])).stdout).toMatch(/^resumed .* at epoch 2, step \d on cpu/m);
    expect(existsSync(join(out, 'lock.json'))).toBe(false);
  });

  it('whose run a program without it does not know is refused', async () => {
    const out = join(scratch(), 'run');
    await dartsmith(['search', '--method', 'random', ...tiny, '--epochs', '1', '--out', out]);
    const { code, stderr } = await dartsmith(['search', '--resume', out], undefined, methods);
    expect(code).toBe(1);
    expect(stderr).toContain(
      "expected a method among darts, fairdarts, stacnas, cdarts, sdarts, blank, darts-rnn but got 'random'; another version wrote this run",
    );
  });
});
