import type { Device } from '../../../src/backend/device.ts';
import { largestError } from '../../../src/kernels/check.ts';
import { deviceTensors, expectedTensors, type KernelCase, prepareCase } from '../../../test/helpers/kernel_case.ts';
import { caseTables, ops } from '../../../test/kernels/cases.ts';
import type { Context } from '../context.ts';
import { type Check, type StageOutcome, within } from '../outcome.ts';

/** The case tables that every backend's kernels are tested on, against the float64 reference, with its tolerance. */
export async function checkCases({ device, sizes, progress, keep }: Context): Promise<StageOutcome> {
  const checks: Check[] = [];
  for (const op of ops) {
    progress(op);
    for (const kernelCase of caseTables[op].slice(0, sizes.casesPerTable)) {
      checks.push(await checkCase(device, `${op} ${kernelCase.name}`, kernelCase));
    }
    keep({ checks });
  }
  return { checks };
}

/** The tensor that comes nearest to its tolerance, or is furthest beyond it. */
async function checkCase(device: Device, name: string, kernelCase: KernelCase): Promise<Check> {
  const prepared = prepareCase(kernelCase);
  const actual = await deviceTensors(device, prepared);
  let worst: Check | undefined;
  for (const [tensor, { values, tolerance }] of expectedTensors(prepared)) {
    const error = largestError(actual.get(tensor) ?? new Float32Array(0), values);
    const check = within(`${name}: ${tensor}`, error, tolerance);
    if (worst === undefined || shareOf(check) > shareOf(worst)) worst = check;
  }
  return worst!;
}

/** A deviation as a share of what is allowed. */
function shareOf({ error = 0, allowed = 0 }: Check): number {
  return error === 0 ? 0 : error / allowed;
}
