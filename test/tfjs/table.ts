// What cases.test.ts and test/slow do, each on a platform.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/backend/device.ts';
import { openTfjsDevice } from '../../src/backend/tfjs/device.ts';
import type { Platform } from '../../src/backend/tfjs/platform.ts';
import { expectClose } from '../helpers/compare.ts';
import { caseWithReference, deviceTensors } from '../helpers/kernel_case.ts';
import { caseTables, ops } from '../kernels/cases.ts';

const none = new Float32Array(0);

/** Every case of the kernel tables on TensorFlow.js against the float64 reference: ours and theirs agree on what each op is. */
export function describeCases(platform: Platform): void {
  let device: Device;
  beforeAll(async () => {
    device = await openTfjsDevice({ platform });
  });
  afterAll(() => device.dispose());

  describe.each(ops)(`%s on tfjs, ${platform}`, (op) => {
    it.each(caseTables[op].map((kernelCase) => [kernelCase.name, kernelCase] as const))('%s', async (_, kernelCase) => {
      const { prepared, expected } = caseWithReference(kernelCase);
      const actual = await deviceTensors(device, prepared);
      expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort());
      for (const [tensor, { values, shape, tolerance }] of expected) {
        const name = `${op} / ${kernelCase.name} / ${tensor}`;
        expectClose(actual.get(tensor) ?? none, values, { name, shape, tolerance });
      }
    });
  });
}
