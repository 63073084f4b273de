import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device, Outcome } from '../../../src/backend/device.ts';
import { openDevice } from '../../../src/backend/open.ts';
import { AbortedError, BackendError } from '../../../src/errors.ts';
import { checkKernel, kernels } from '../../../src/kernels.ts';
import { wrapDevice } from '../../helpers/wrapped_device.ts';

const separable = kernels.separable({ shape: [6, 6, 4] });
const options = { batchSize: 2 };

let device: Device;
beforeAll(async () => {
  device = await openDevice({ threads: 1 });
});
afterAll(() => device.dispose());

/** A device with one number of a tensor off. */
function faulty(array: (outcome: Outcome) => Float32Array, change: (value: number) => number): Device {
  return wrapDevice(device, (outcome) => {
    const values = array(outcome);
    values[5] = change(values[5]);
    return outcome;
  });
}

const outputOf = ({ outputs }: Outcome) => [...outputs!.values()][0];

describe('checkKernel', () => {
  it('is content with a kernel that is right', async () => {
    await expect(checkKernel(device, separable, options)).resolves.toBeUndefined();
    await expect(checkKernel(device, kernels.softmaxCrossEntropy({ classes: 4 }), options)).resolves.toBeUndefined();
  });

  it('names what is wrong, by how much and where', async () => {
    const error = await checkKernel(
      faulty(outputOf, (value) => value + 1e-3),
      separable,
      options,
    ).catch((e) => e);
    expect(error).toBeInstanceOf(BackendError);
    expect(error.message).toMatch(
      /^separable 3x3 on wrapped cpu .* disagrees with the reference: the output is off by 1\.0e-3 where round-off explains \d\.\de-\d$/,
    );
    const gradient = faulty(
      ({ inputGradients }) => inputGradients!['x'],
      () => Number.NaN,
    );
    await expect(checkKernel(gradient, separable, options)).rejects.toThrow(
      'the gradient of input x is off by Infinity',
    );
    const loss = wrapDevice(device, (outcome) => ({ ...outcome, loss: outcome.loss! + 0.01 }));
    await expect(checkKernel(loss, kernels.softmaxCrossEntropy({ classes: 4 }), options)).rejects.toThrow(
      'the output is off',
    );
  });

  it('gives a draw that meets a kink another chance, but not a third', async () => {
    let calls = 0;
    const once = faulty(outputOf, (value) => (calls++ === 0 ? value + 1 : value));
    await expect(checkKernel(once, separable, options)).resolves.toBeUndefined();
    expect(calls).toBe(2);
    calls = 0;
    const always = faulty(outputOf, (value) => value + ++calls);
    await expect(checkKernel(always, separable, options)).rejects.toThrow(BackendError);
    expect(calls).toBe(3);
  });

  it('stops through its signal', async () => {
    const signal = AbortSignal.abort();
    await expect(checkKernel(device, separable, { ...options, signal })).rejects.toThrow(AbortedError);
  });
});
