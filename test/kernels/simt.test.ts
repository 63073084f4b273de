// Every case of the tables on the CUDA kernels, which the stand-in runs on the CPU: against the float64 reference, against
// the CPU engine, and to the bit under every order of threads (forward, reverse, three random ones). A barrier that is
// missing shows as a difference, a read of what nobody wrote as NaN, a write past the end as an error.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import { expectClose, expectSameBits, expectUntouched } from '../helpers/compare.ts';
import { caseWithReference, deviceTensors, evaluateCase, expectedEvaluation } from '../helpers/kernel_case.ts';
import { openOrders, threadOrders } from '../helpers/simt.ts';
import { caseTables, ops } from './cases.ts';

const none = new Float32Array(0);

let devices: Device[];
let cpu: Device;

beforeAll(async () => {
  devices = await openOrders();
  cpu = await openDevice({ backend: 'cpu', threads: 2 });
});

afterAll(() => {
  for (const device of [...devices, cpu]) device.dispose();
});

describe.each(ops)('%s on simt', (op) => {
  const cases = caseTables[op].map((kernelCase) => [kernelCase.name, kernelCase] as const);

  it.each(cases)('%s', async (name, kernelCase) => {
    const { prepared, expected } = caseWithReference(kernelCase);
    const forward = await deviceTensors(devices[0], prepared);
    const onCpu = await deviceTensors(cpu, prepared);
    for (const [tensor, { values, ...comparison }] of expected) {
      const title = `${op} / ${name} / ${tensor}`;
      const actual = forward.get(tensor) ?? none;
      expectClose(actual, values, { ...comparison, name: title });
      // Not twice the tolerance: most of the round-off is the same kind of sum in another order.
      const other = Float64Array.from(onCpu.get(tensor) ?? none);
      expectClose(actual, other, { ...comparison, name: `${title} against the CPU engine` });
    }
    for (const [index, order] of [...threadOrders.entries()].slice(1)) {
      const other = await deviceTensors(devices[index], prepared);
      expect([...other.keys()]).toEqual([...forward.keys()]);
      for (const [tensor, values] of other) {
        expectSameBits(values, forward.get(tensor) ?? none, `${op} / ${name} / ${tensor}, ${order}`);
      }
    }
  });
});

describe.each(['batchNorm', 'mixed', 'recurrentCell'] as const)('%s without gradients on simt', (op) => {
  const ofTraining = caseTables[op].filter(({ statistics }) => statistics === undefined);
  const cases = ofTraining.map((kernelCase) => [kernelCase.name, kernelCase] as const);

  it.each(cases)('%s: running statistics', async (name, kernelCase) => {
    const { prepared } = caseWithReference(kernelCase);
    const { values, ...comparison } = expectedEvaluation(prepared);
    const { output, buffers } = await evaluateCase(devices[0], prepared, 'running');
    const title = `${op} / ${name} / output with running statistics`;
    expectClose(output, values, { ...comparison, name: title });
    const onCpu = Float64Array.from((await evaluateCase(cpu, prepared, 'running')).output);
    expectClose(output, onCpu, { ...comparison, name: `${title} against the CPU engine` });
    expectUntouched(prepared, buffers, `${op} / ${name}`);
    const reversed = await evaluateCase(devices[1], prepared, 'running');
    expectSameBits(reversed.output, output, `${title}, reverse`, comparison.shape);
  });

  it.each(cases)('%s: batch statistics', async (name, kernelCase) => {
    const { prepared, expected } = caseWithReference(kernelCase);
    const trained = await deviceTensors(devices[1], prepared);
    const { output, buffers } = await evaluateCase(devices[0], prepared, 'batch');
    const title = `${op} / ${name} / output with batch statistics`;
    expectSameBits(output, trained.get('output') ?? none, title, expected.get('output')?.shape);
    expectUntouched(prepared, buffers, `${op} / ${name}`);
    const moving = await evaluateCase(devices[0], prepared, 'moving');
    expectSameBits(moving.output, output, `${title}, moving`, expected.get('output')?.shape);
    for (const [buffer, values] of moving.buffers) expectSameBits(values, trained.get(buffer)!, `${title}: ${buffer}`);
  });
});
