// What simt_rounded.test.ts does with some cases of each op, and test/slow with all of them.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/backend/device.ts';
import { expectSameBits } from '../helpers/compare.ts';
import { caseWithReference, deviceTensors, type KernelCase } from '../helpers/kernel_case.ts';
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
  'distillation',
  'smoothL1',
  'meanSquaredError',
  'cosineDistance',
  'lossSum',
  'detach',
] as const;
/** bf16 also rounds what the others store. */
const storing = [
  'maxPool',
  'avgPool',
  'globalAvgPool',
  'zero',
  'dropout',
  'tanh',
  'sigmoid',
  'scale',
  'softmaxScale',
  'noise',
] as const;
const none = new Float32Array(0);

/** Which part of the tables is run, and how often. */
export interface RoundedSelection {
  /** Cases of each table, at equal distances; all of them when absent. */
  readonly most?: number;
  /** Numbers of the orders of threads that must give the bits of the first; see `threadOrders`. */
  readonly orders: readonly number[];
}

/** Tables on the CUDA kernels in a precision: near to the float64 reference, same bits under every order of threads. */
export function describeRoundedCases(precision: 'tf32' | 'bf16', { most, orders }: RoundedSelection): void {
  let devices: Device[];
  beforeAll(async () => {
    devices = await openOrders();
  });
  afterAll(() => {
    for (const device of devices) device.dispose();
  });

  describe.each(precision === 'bf16' ? [...multiplying, ...storing] : multiplying)(`%s in ${precision}`, (op) => {
    const cases = spread(caseTables[op], most).map((kernelCase) => [kernelCase.name, kernelCase] as const);

    it.each(cases)('%s', async (_, kernelCase) => {
      const { prepared, expected } = caseWithReference(kernelCase);
      const forward = await deviceTensors(devices[0], prepared, precision);
      for (const [tensor, values] of expected) {
        // Which logit is largest may hang on the last bit.
        if (tensor === 'correct') continue;
        const name = `${op} / ${kernelCase.name} / ${tensor} in ${precision}`;
        expectRounded(forward.get(tensor) ?? none, values, { graph: prepared.graph, precision, name, tensor });
      }
      for (const index of orders) {
        const other = await deviceTensors(devices[index], prepared, precision);
        for (const [tensor, values] of forward) {
          const name = `${op} / ${kernelCase.name} / ${tensor}, ${threadOrders[index]}`;
          expectSameBits(other.get(tensor) ?? none, values, name);
        }
      }
    });
  });

  it('moves the output of dense convolutions', async () => {
    const dense = caseTables.conv2d.filter(({ name }) => !name.includes('groups'));
    expect(dense.length).toBeGreaterThan(20);
    for (const kernelCase of spread(dense, most)) {
      const { prepared } = caseWithReference(kernelCase);
      const exact = (await deviceTensors(devices[0], prepared)).get('output')!;
      const output = (await deviceTensors(devices[0], prepared, precision)).get('output')!;
      const moved = output.filter((value, i) => value !== exact[i]).length;
      // Pixels that only padding reaches stay zero.
      expect(moved / exact.filter((value) => value !== 0).length, kernelCase.name).toBeGreaterThan(0.5);
    }
  });
}

/** At most `most` cases, at equal distances from the first to the last: tables go from kind to kind. */
function spread(cases: readonly KernelCase[], most = cases.length): readonly KernelCase[] {
  const count = Math.min(most, cases.length);
  return Array.from({ length: count }, (_, i) => cases[Math.round((i * (cases.length - 1)) / Math.max(1, count - 1))]);
}
