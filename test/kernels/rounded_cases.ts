// What simt_bf16.test.ts and simt_tf32.test.ts do, in files of their own so that they run side by side.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/backend/device.ts';
import { expectSameBits } from '../helpers/compare.ts';
import { caseWithReference, deviceTensors } from '../helpers/kernel_case.ts';
import { expectRounded } from '../helpers/rounded.ts';
import { openOrders, threadOrders } from '../helpers/simt.ts';
import { caseTables } from './cases.ts';

/** Ops that multiply or are fused with what does. */
const multiplying = [
  'conv2d',
  'linear',
  'batchNorm',
  'mixed',
  'relu',
  'add',
  'concat',
  'crop',
  'softmaxCrossEntropy',
] as const;
/** bf16 also rounds what the others store. */
const storing = ['maxPool', 'avgPool', 'globalAvgPool', 'zero', 'dropout'] as const;
const none = new Float32Array(0);

/** Tables on the CUDA kernels in a precision: near to the float64 reference, same bits under every order of threads. */
export function describeRoundedCases(precision: 'tf32' | 'bf16'): void {
  let devices: Device[];
  beforeAll(async () => {
    devices = await openOrders();
  });
  afterAll(() => {
    for (const device of devices) device.dispose();
  });

  describe.each(precision === 'bf16' ? [...multiplying, ...storing] : multiplying)(`%s in ${precision}`, (op) => {
    it.each(caseTables[op].map((kernelCase) => [kernelCase.name, kernelCase] as const))('%s', async (_, kernelCase) => {
      const { prepared, expected } = caseWithReference(kernelCase);
      const forward = await deviceTensors(devices[0], prepared, precision);
      for (const [tensor, values] of expected) {
        // Which logit is largest may hang on the last bit.
        if (tensor === 'correct') continue;
        const name = `${op} / ${kernelCase.name} / ${tensor} in ${precision}`;
        expectRounded(forward.get(tensor) ?? none, values, { graph: prepared.graph, precision, name, tensor });
      }
      for (const [index, order] of [...threadOrders.entries()].slice(1)) {
        const other = await deviceTensors(devices[index], prepared, precision);
        for (const [tensor, values] of forward) {
          expectSameBits(other.get(tensor) ?? none, values, `${op} / ${kernelCase.name} / ${tensor}, ${order}`);
        }
      }
    });
  });

  it('moves the output of every dense convolution', async () => {
    const dense = caseTables.conv2d.filter(({ name }) => !name.includes('groups'));
    expect(dense.length).toBeGreaterThan(20);
    for (const kernelCase of dense) {
      const { prepared } = caseWithReference(kernelCase);
      const exact = (await deviceTensors(devices[0], prepared)).get('output')!;
      const output = (await deviceTensors(devices[0], prepared, precision)).get('output')!;
      const moved = output.filter((value, i) => value !== exact[i]).length;
      // Pixels that only padding reaches stay zero.
      expect(moved / exact.filter((value) => value !== 0).length, kernelCase.name).toBeGreaterThan(0.5);
    }
  });
}
