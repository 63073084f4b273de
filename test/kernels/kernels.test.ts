// Every case of the tables on every instruction set of this machine: against the float64 reference, and to the bit across
// thread counts. Tolerances and their reasons: src/reference/tolerance.ts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/backend/device.ts';
import { instructionSets, openDevice } from '../../src/backend/open.ts';
import { expectClose, expectSameBits, expectUntouched } from '../helpers/compare.ts';
import { caseWithReference, deviceTensors, evaluateCase, expectedEvaluation } from '../helpers/kernel_case.ts';
import { caseTables, ops } from './cases.ts';

const threadCounts = [1, 2, 3, 8] as const;

describe.each(ops)('the table of %s', (op) => {
  it('has cases, and each contains the op', () => {
    expect(caseTables[op].length).toBeGreaterThan(0);
    for (const kernelCase of caseTables[op]) {
      const contained = caseWithReference(kernelCase).prepared.graph.nodes.map((node) => node.op);
      expect(contained, kernelCase.name).toContain(op);
    }
  });

  it('names each case once', () => {
    const names = caseTables[op].map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe.each(instructionSets())('cpu kernels, %s', (instructionSet) => {
  const devices = new Map<number, Device>();

  const device = (threads: (typeof threadCounts)[number]): Device => {
    const opened = devices.get(threads);
    if (opened === undefined) throw new Error(`no device with ${threads} threads was opened`);
    return opened;
  };

  beforeAll(async () => {
    for (const threads of threadCounts) {
      devices.set(threads, await openDevice({ backend: 'cpu', threads, instructionSet }));
    }
  });

  afterAll(() => {
    for (const opened of devices.values()) opened.dispose();
  });

  describe.each(ops)('%s', (op) => {
    const cases = caseTables[op].map((kernelCase) => [kernelCase.name, kernelCase] as const);

    it.each(cases)('%s: agrees with the reference', async (name, kernelCase) => {
      const { prepared, expected } = caseWithReference(kernelCase);
      const actual = await deviceTensors(device(2), prepared);
      for (const [tensor, { values, ...comparison }] of expected) {
        const title = `${op} / ${name} / ${tensor}`;
        expectClose(actual.get(tensor) ?? new Float32Array(0), values, { ...comparison, name: title });
      }
    });

    it.each(cases)('%s: same bits for any number of threads', async (name, kernelCase) => {
      const { prepared, expected } = caseWithReference(kernelCase);
      const one = await deviceTensors(device(1), prepared);
      for (const threads of threadCounts.slice(1)) {
        const several = await deviceTensors(device(threads), prepared);
        expect([...several.keys()]).toEqual([...one.keys()]);
        for (const [tensor, values] of several) {
          const title = `${op} / ${name} / ${tensor} with ${threads} threads`;
          expectSameBits(values, one.get(tensor) ?? new Float32Array(0), title, expected.get(tensor)?.shape);
        }
      }
    });
  });

  describe.each(['batchNorm', 'mixed', 'recurrentCell'] as const)('%s without gradients', (op) => {
    const ofTraining = caseTables[op].filter(({ statistics }) => statistics === undefined);
    const cases = ofTraining.map((kernelCase) => [kernelCase.name, kernelCase] as const);

    it.each(cases)('%s: running statistics', async (name, kernelCase) => {
      const { prepared } = caseWithReference(kernelCase);
      const { values, ...comparison } = expectedEvaluation(prepared);
      const { output, buffers } = await evaluateCase(device(2), prepared, 'running');
      expectClose(output, values, { ...comparison, name: `${op} / ${name} / output with running statistics` });
      expectUntouched(prepared, buffers, `${op} / ${name}`);
    });

    it.each(cases)('%s: batch statistics', async (name, kernelCase) => {
      const { prepared, expected } = caseWithReference(kernelCase);
      const trained = await deviceTensors(device(2), prepared);
      const { output, buffers } = await evaluateCase(device(2), prepared, 'batch');
      const title = `${op} / ${name} / output with batch statistics`;
      expectSameBits(output, trained.get('output') ?? new Float32Array(0), title, expected.get('output')?.shape);
      expectUntouched(prepared, buffers, `${op} / ${name}`);
    });

    it.each(cases)('%s: moving statistics', async (name, kernelCase) => {
      const { prepared, expected } = caseWithReference(kernelCase);
      const trained = await deviceTensors(device(2), prepared);
      const { output, buffers } = await evaluateCase(device(2), prepared, 'moving');
      const title = `${op} / ${name} / output with moving statistics`;
      expectSameBits(output, trained.get('output') ?? new Float32Array(0), title, expected.get('output')?.shape);
      for (const [buffer, values] of buffers) expectSameBits(values, trained.get(buffer)!, `${title}: ${buffer}`);
    });
  });
});
