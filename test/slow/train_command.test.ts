import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { trainingOf } from '../../src/cli/training_run.ts';
import { cli, killAfterSteps } from '../helpers/process.ts';
import { scratch } from '../helpers/scratch.ts';

const run = (...args: string[]) => spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8' });
const tiny = ['--limit', '40', '--epochs', '2', '--batch-size', '16', '--init-channels', '2', '--layers', '3'];

it('the command line trains, survives kill -9, and tests', async () => {
  const folder = scratch();
  const arch = ['train', '--arch', 'DARTS_V2', ...tiny];
  const whole = join(folder, 'whole');
  const done = run(...arch, '--out', whole);
  expect(done.stderr).toMatch(/mnist: 40 training and 10000 test images 28x28x1 of 10 classes\nnetwork: 3 cells, /);
  expect(done.stdout).toMatch(
    /test accuracy [\d.]+%, top-5 [\d.]+%, loss [\d.]+\nrun: .*\nnext: dartsmith test --arch/,
  );
  const killed = join(folder, 'killed');
  expect(await killAfterSteps([...arch, '--json', '--out', killed, '--checkpoint-seconds', '0'])).toBe('SIGKILL');
  expect(run('train', '--resume', killed).status).toBe(0);
  const weights = (directory: string) => readFileSync(join(directory, 'weights.safetensors'));
  expect(weights(killed).equals(weights(whole))).toBe(true);

  const tested = run('test', '--arch', whole);
  expect(tested.stderr).toBe('');
  expect(tested.stdout).toMatch(
    /^accuracy [\d.]+%, top-5 [\d.]+%, loss [\d.]+: 10000 test images of 10 classes\n.* parameters, .* FLOPs an image; [\d.]+ images\/s on cpu/,
  );
  expect(tested.stdout).toContain('confusion matrix');
  expect(await trainingOf(whole)).toMatchObject({ dataset: 'mnist', limit: 40 });
  const json = JSON.parse(run('test', '--arch', whole, '--json').stdout);
  expect(json.confusion.flat().reduce((sum: number, count: number) => sum + count)).toBe(10_000);
});
