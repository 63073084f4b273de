// The goldens on the other instruction sets and on the backends that take long, and against PyTorch itself where it is installed, so that they cannot rot.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { findTorch } from '../../bench/peers/torch.ts';
import { instructionSets } from '../../src/backend/open.ts';
import { scratch } from '../helpers/scratch.ts';
import { describeCdartsGoldens } from '../torch/cdarts_cases.ts';
import { describeRetrainedGoldens } from '../torch/cdarts_retrained_cases.ts';
import { describeGoldens } from '../torch/golden_cases.ts';
import { distances, goldenFolder, goldenNames, readGolden } from '../torch/goldens.ts';
import { describeProjectionGoldens } from '../torch/projection_cases.ts';

let reason = '';
const torch = await findTorch((text) => {
  reason = ` (skipped: ${text})`;
});

for (const instructionSet of instructionSets().slice(1)) {
  describeGoldens('cpu', instructionSet);
  describeProjectionGoldens('cpu', instructionSet);
  describeCdartsGoldens('cpu', instructionSet);
  describeRetrainedGoldens('cpu', instructionSet);
}
for (const backend of ['tfjs', 'simt'] as const) {
  describeGoldens(backend);
  describeProjectionGoldens(backend);
  describeCdartsGoldens(backend);
  describeRetrainedGoldens(backend);
}

it.skipIf(torch === undefined)(`PyTorch makes the goldens again${reason}`, async () => {
  const folder = scratch();
  await promisify(execFile)(torch!.python, ['-B', join(goldenFolder, 'make.py'), folder]);
  for (const name of goldenNames) {
    const [committed, made] = [readGolden(name), readGolden(name, folder)];
    expect([...made.exact.keys()], name).toEqual([...committed.exact.keys()]);
    // Another order of sums in float64, 2^-53 grown by the nets' depth and five steps.
    for (const [group, distance] of distances(committed, made.exact)) expect(distance, group).toBeLessThan(1e-10);
  }
});
