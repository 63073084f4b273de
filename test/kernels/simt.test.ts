// Every case of the tables on the CUDA kernels, which the stand-in runs on the CPU: against the float64 reference, and to the
// bit under every order of threads (forward, reverse, three random ones). A barrier that is missing shows as a difference, a
// read of what nobody wrote as NaN, a write past the end as an error.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import { expectClose, expectSameBits } from '../helpers/compare.ts';
import { deviceTensors, expectedTensors, prepareCase } from '../helpers/kernel_case.ts';
import { threadOrders } from '../helpers/simt.ts';
import { caseTables, ops } from './cases.ts';

let devices: Device[];

beforeAll(async () => {
  devices = await Promise.all(threadOrders.map((_, index) => openDevice({ backend: 'simt', index })));
});

afterAll(() => {
  for (const device of devices) device.dispose();
});

describe.each(ops)('%s on simt', (op) => {
  const cases = caseTables[op].map((kernelCase) => [kernelCase.name, kernelCase] as const);

  it.each(cases)('%s', async (name, kernelCase) => {
    const prepared = prepareCase(kernelCase);
    const forward = await deviceTensors(devices[0], prepared);
    for (const [tensor, { values, ...comparison }] of expectedTensors(prepared)) {
      const title = `${op} / ${name} / ${tensor}`;
      expectClose(forward.get(tensor) ?? new Float32Array(0), values, { ...comparison, name: title });
    }
    for (const [index, order] of threadOrders.entries()) {
      const other = await deviceTensors(devices[index], prepared);
      expect([...other.keys()]).toEqual([...forward.keys()]);
      for (const [tensor, values] of other) {
        expectSameBits(values, forward.get(tensor) ?? new Float32Array(0), `${op} / ${name} / ${tensor}, ${order}`);
      }
    }
  });
});
