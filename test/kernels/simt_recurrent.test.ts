// Recurrent cells of more channels, columns and edges than the tables have on the CUDA kernels: as one launch of grids of several
// sizes and as a launch a step, which the devices of the stand-in differ in.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/backend/device.ts';
import { expectClose, expectSameBits } from '../helpers/compare.ts';
import { caseWithReference, deviceTensors } from '../helpers/kernel_case.ts';
import { openOrders, threadOrders } from '../helpers/simt.ts';
import { wideCells } from './recurrent_cases.ts';

const none = new Float32Array(0);

let devices: Device[];

beforeAll(async () => {
  devices = await openOrders();
});

afterAll(() => {
  for (const device of devices) device.dispose();
});

describe('wide cells on simt', () => {
  it.each(wideCells.map((one) => [one.name, one] as const))('%s', async (name, kernelCase) => {
    const { prepared, expected } = caseWithReference(kernelCase);
    const forward = await deviceTensors(devices[0], prepared);
    for (const [tensor, { values, ...comparison }] of expected) {
      expectClose(forward.get(tensor) ?? none, values, { ...comparison, name: `${name} / ${tensor}` });
    }
    for (const [index, order] of [...threadOrders.entries()].slice(1)) {
      const other = await deviceTensors(devices[index], prepared);
      expect([...other.keys()]).toEqual([...forward.keys()]);
      for (const [tensor, values] of other) {
        expectSameBits(values, forward.get(tensor) ?? none, `${name} / ${tensor}, ${order}`);
      }
    }
  });
});
