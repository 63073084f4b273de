// Which design of CUDA kernels runs is said by a variable of the environment: one that means nothing is an error, not a default.
import { expect, it } from 'vitest';
import { openDevice } from '../../src/backend/open.ts';
import { caseWithReference, deviceTensors } from '../helpers/kernel_case.ts';
import { caseTables } from './cases.ts';

it('an unknown DARTSMITH_CUDA_KERNELS is told where a kernel is asked for', async () => {
  process.env['DARTSMITH_CUDA_KERNELS'] = 'squares';
  using device = await openDevice({ backend: 'simt' });
  const { prepared } = caseWithReference(caseTables.mixed.find(({ name }) => name.includes('sliding'))!);
  await expect(deviceTensors(device, prepared)).rejects.toThrow(
    "expected DARTSMITH_CUDA_KERNELS to be sliding or tiles but got 'squares'",
  );
  process.env['DARTSMITH_CUDA_KERNELS'] = 'tiles';
  expect((await deviceTensors(device, prepared)).size).toBeGreaterThan(0);
});
