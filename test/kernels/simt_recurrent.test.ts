// Language models' ops of more channels, columns, edges and words than the tables have on the CUDA kernels: cells as one launch of
// grids of several sizes and as a launch a step, which the devices of the stand-in differ in; logits in parts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/backend/device.ts';
import { expectClose, expectSameBits } from '../helpers/compare.ts';
import { caseWithReference, deviceTensors, type KernelCase } from '../helpers/kernel_case.ts';
import { openOrders, threadOrders } from '../helpers/simt.ts';
import { largeVocabulary, wideCells } from './recurrent_cases.ts';

const none = new Float32Array(0);

let devices: Device[];

beforeAll(async () => {
  devices = await openOrders();
});

afterAll(() => {
  for (const device of devices) device.dispose();
});

/** Agrees with the reference on the first device, and to the bit with it on `others`. */
async function expectSame(kernelCase: KernelCase, others: readonly number[]): Promise<void> {
  const { prepared, expected } = caseWithReference(kernelCase);
  const forward = await deviceTensors(devices[0], prepared);
  for (const [tensor, { values, ...comparison }] of expected) {
    expectClose(forward.get(tensor) ?? none, values, { ...comparison, name: `${kernelCase.name} / ${tensor}` });
  }
  for (const index of others) {
    const other = await deviceTensors(devices[index], prepared);
    expect([...other.keys()]).toEqual([...forward.keys()]);
    for (const [tensor, values] of other) {
      expectSameBits(values, forward.get(tensor) ?? none, `${kernelCase.name} / ${tensor}, ${threadOrders[index]}`);
    }
  }
}

describe('large sizes on simt', () => {
  it.each(wideCells.map((one) => [one.name, one] as const))('%s', async (_, kernelCase) => {
    await expectSame(kernelCase, [1, 2, 3, 4]);
  });

  it(largeVocabulary.name, async () => {
    await expectSame(largeVocabulary, [1]);
  });
});
