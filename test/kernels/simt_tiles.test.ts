// The CUDA kernels that work on tiles, where sliding warps would take over: as they run where those are not wanted.
import { afterAll, beforeAll, describe, it } from 'vitest';
import type { Device } from '../../src/backend/device.ts';
import { expectClose, expectSameBits } from '../helpers/compare.ts';
import { caseWithReference, deviceTensors } from '../helpers/kernel_case.ts';
import { openOrders } from '../helpers/simt.ts';
import { caseTables } from './cases.ts';

let devices: Device[];
beforeAll(async () => {
  // Read once by the process of this file, when a kernel is first asked for.
  process.env['DARTSMITH_CUDA_KERNELS'] = 'tiles';
  devices = await openOrders();
});
afterAll(() => {
  for (const device of devices) device.dispose();
});

const cases = caseTables.mixed.filter(({ name }) => name.includes('sliding')).map((each) => [each.name, each] as const);

describe('tiles on simt', () => {
  it.each(cases)('%s', async (name, kernelCase) => {
    const { prepared, expected } = caseWithReference(kernelCase);
    const forward = await deviceTensors(devices[0], prepared);
    for (const [tensor, { values, ...comparison }] of expected) {
      expectClose(forward.get(tensor) ?? new Float32Array(0), values, { ...comparison, name: `${name} / ${tensor}` });
    }
    const reversed = await deviceTensors(devices[1], prepared);
    for (const [tensor, values] of forward) {
      expectSameBits(reversed.get(tensor) ?? new Float32Array(0), values, `${name} / ${tensor}, reverse`);
    }
  });
});
