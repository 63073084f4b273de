// The PyTorch model of CDARTS against what is known of the original, and its goldens, so that they cannot rot.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { findTorch } from '../../bench/peers/torch.ts';
import { root } from '../helpers/process.ts';
import { scratch } from '../helpers/scratch.ts';
import { cdartsAuthorsForms, cdartsForms, cdartsRetrainedNames, decisionFiles } from '../torch/cdarts_goldens.ts';
import { distances, goldenFolder, readGolden } from '../torch/goldens.ts';

let reason = '';
const torch = await findTorch((text) => {
  reason = ` (skipped: ${text})`;
});
const runPython = (...args: string[]) => promisify(execFile)(torch!.python, ['-B', ...args]);

describe.skipIf(torch === undefined)(`CDARTS in PyTorch${reason}`, () => {
  it('has the sizes, names, losses and rules of the original', async () => {
    const { stderr } = await runPython(join(root, 'test/torch/cdarts_test.py'));
    expect(stderr).toMatch(/Ran \d{2} tests.*\n\nOK/s);
  });

  it('makes the goldens again', async () => {
    const folder = scratch();
    await runPython(join(goldenFolder, 'make_cdarts.py'), folder);
    await runPython(join(goldenFolder, 'make_cdarts_authors.py'), folder);
    const namesOf = <Forms extends object>(forms: Forms) => Object.keys(forms) as (keyof Forms)[];
    const searches = [...namesOf(cdartsForms), ...namesOf(cdartsAuthorsForms)];
    for (const name of [...searches, ...cdartsRetrainedNames]) {
      const [committed, made] = [readGolden(name), readGolden(name, folder)];
      expect([...made.exact.keys()], name).toEqual([...committed.exact.keys()]);
      // Another order of sums in float64, 2^-53 grown by the nets' depth and the steps.
      for (const [group, distance] of distances(committed, made.exact))
        expect(distance, `${name}, ${group}`).toBeLessThan(1e-10);
    }
    for (const name of searches) expect(decisionFiles(name, folder)).toEqual(decisionFiles(name));
  });
});
