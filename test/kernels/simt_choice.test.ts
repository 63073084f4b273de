// Which design of CUDA kernels runs, whether in branches and when they start is said by variables of the environment: one that means nothing is an
// error, not a default. Once it meant something it is not read again.
import { expect, it } from 'vitest';
import { openDevice } from '../../src/backend/open.ts';
import { caseWithReference, deviceTensors } from '../helpers/kernel_case.ts';
import { caseTables } from './cases.ts';

const sliding = caseTables.mixed.find(({ name }) => name.includes('sliding'))!;

it.each([
  ['DARTSMITH_CUDA_EARLY', 'very', 'on', 'off or on'],
  ['DARTSMITH_CUDA_KERNELS', 'squares', 'sliding', 'sliding or tiles'],
  ['DARTSMITH_CUDA_BRANCHES', 'many', 'off', 'on or off'],
])(
  'an unknown %s is told where a device is opened or a kernel asked for',
  async (variable, unknown, known, expected) => {
    process.env[variable] = unknown;
    const attempt = async () => {
      using device = await openDevice({ backend: 'simt' });
      await deviceTensors(device, caseWithReference(sliding).prepared);
    };
    await expect(attempt()).rejects.toThrow(`expected ${variable} to be ${expected} but got '${unknown}'`);
    process.env[variable] = known;
  },
);

it('known ones are taken', async () => {
  using device = await openDevice({ backend: 'simt' });
  const { prepared } = caseWithReference(sliding);
  expect((await deviceTensors(device, prepared)).size).toBeGreaterThan(0);
});
