// The PyTorch model of recurrent cells against its published formulas, and its goldens, so that they cannot rot.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { findTorch } from '../../bench/peers/torch.ts';
import { root } from '../helpers/process.ts';
import { scratch } from '../helpers/scratch.ts';
import { distances, goldenFolder, readGolden } from '../torch/goldens.ts';
import { rnnPasses, rnnScores, rnnSearches, rnnTrainings } from '../torch/rnn_goldens.ts';

let reason = '';
const torch = await findTorch((text) => {
  reason = ` (skipped: ${text})`;
});
const runPython = (...args: string[]) => promisify(execFile)(torch!.python, ['-B', ...args]);

describe.skipIf(torch === undefined)(`Recurrent cells in PyTorch${reason}`, () => {
  it('have the sizes, names, values, gradients and steps of the original', async () => {
    const { stderr } = await runPython(join(root, 'test/torch/rnn_test.py'));
    expect(stderr).toMatch(/Ran \d{2} tests.*\n\nOK/s);
  });

  it('make the goldens again', async () => {
    const folder = scratch();
    await runPython(join(goldenFolder, 'make_rnn.py'), folder);
    for (const name of [...Object.keys(rnnPasses), ...rnnTrainings, ...rnnSearches, ...Object.keys(rnnScores)]) {
      const [committed, made] = [readGolden(name), readGolden(name, folder)];
      expect([...made.exact.keys()], name).toEqual([...committed.exact.keys()]);
      for (const [key, tensor] of made.exact) {
        if (/^(given|setting)\./.test(key)) expect(tensor, `${name}, ${key}`).toEqual(committed.exact.get(key));
      }
      // Another order of sums in float64, 2^-53 grown by batch norms of six columns, a difference quotient and the steps.
      for (const [group, distance] of distances(committed, made.exact))
        expect(distance, `${name}, ${group}`).toBeLessThan(1e-9);
    }
  });
});
