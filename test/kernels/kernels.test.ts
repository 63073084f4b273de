// Every case of the tables on every instruction set of this machine: against the float64 reference, and to the bit across
// thread counts. Tolerances and their reasons: src/reference/tolerance.ts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/backend/device.ts';
import { instructionSets, openDevice } from '../../src/backend/open.ts';
import { runReference } from '../../src/reference/interpreter.ts';
import { errorGrowth, tolerance } from '../../src/reference/tolerance.ts';
import { expectClose, expectSameBits } from '../helpers/compare.ts';
import {
  asSingles,
  deviceTensors,
  type ExpectedTensor,
  expectedTensors,
  type KernelCase,
  type PreparedCase,
  prepareCase,
} from '../helpers/kernel_case.ts';
import { caseTables, ops } from './cases.ts';

const threadCounts = [1, 2, 3, 8] as const;

/** Reference results serve every instruction set. */
const memo = new Map<KernelCase, { prepared: PreparedCase; expected: Map<string, ExpectedTensor> }>();

function prepare(kernelCase: KernelCase) {
  let entry = memo.get(kernelCase);
  if (entry === undefined) {
    const prepared = prepareCase(kernelCase);
    entry = { prepared, expected: expectedTensors(prepared) };
    memo.set(kernelCase, entry);
  }
  return entry;
}

/** What a forward pass without gradients leaves: the output and the batch-norm buffers. */
async function evaluate(device: Device, prepared: PreparedCase, statistics: 'running' | 'batch') {
  const { graph, batchSize } = prepared;
  using parameters = await device.createParameters(graph, { seed: 0 });
  for (const [name, values] of prepared.parameters) await parameters.set(name, Float32Array.from(values));
  using program = device.compile(graph, { batchSize, parameters });
  const batch = { inputs: asSingles(prepared.inputs) };
  const mixing = prepared.mixing && asSingles(prepared.mixing);
  const { outputs } = await program.evaluate({ batch, statistics, mixing, read: [graph.output] });
  const buffers = new Map<string, Float32Array>();
  for (const name of parameters.names('buffer')) buffers.set(name, (await parameters.get(name)).data);
  return { output: outputs?.get(graph.output) ?? new Float32Array(0), buffers };
}

describe.each(ops)('the table of %s', (op) => {
  it('has cases, and each contains the op', () => {
    expect(caseTables[op].length).toBeGreaterThan(0);
    for (const kernelCase of caseTables[op]) {
      const contained = prepare(kernelCase).prepared.graph.nodes.map((node) => node.op);
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
      const { prepared, expected } = prepare(kernelCase);
      const actual = await deviceTensors(device(2), prepared);
      for (const [tensor, { values, ...comparison }] of expected) {
        const title = `${op} / ${name} / ${tensor}`;
        expectClose(actual.get(tensor) ?? new Float32Array(0), values, { ...comparison, name: title });
      }
    });

    it.each(cases)('%s: same bits for any number of threads', async (name, kernelCase) => {
      const { prepared, expected } = prepare(kernelCase);
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

  describe.each(['batchNorm', 'mixed'] as const)('%s without gradients', (op) => {
    const cases = caseTables[op].map((kernelCase) => [kernelCase.name, kernelCase] as const);

    it.each(cases)('%s: running statistics', async (name, kernelCase) => {
      const { prepared } = prepare(kernelCase);
      const { graph, batchSize } = prepared;
      const expected = runReference(graph, { ...prepared, training: false }).outputs;
      const growth = errorGrowth(graph, batchSize, expected);
      const { output, buffers } = await evaluate(device(2), prepared, 'running');
      expectClose(output, expected[graph.output], {
        name: `${op} / ${name} / output with running statistics`,
        tolerance: tolerance(expected[graph.output], growth, 'forward'),
        shape: [batchSize, ...graph.nodes[graph.output].shape],
      });
      expectUntouched(prepared, buffers, `${op} / ${name}`);
    });

    it.each(cases)('%s: batch statistics', async (name, kernelCase) => {
      const { prepared, expected } = prepare(kernelCase);
      const trained = await deviceTensors(device(2), prepared);
      const { output, buffers } = await evaluate(device(2), prepared, 'batch');
      const title = `${op} / ${name} / output with batch statistics`;
      expectSameBits(output, trained.get('output') ?? new Float32Array(0), title, expected.get('output')?.shape);
      expectUntouched(prepared, buffers, `${op} / ${name}`);
    });
  });
});

/** Evaluation leaves batch-norm buffers as they were. */
function expectUntouched(prepared: PreparedCase, buffers: ReadonlyMap<string, Float32Array>, title: string): void {
  for (const [name, values] of buffers) {
    expectSameBits(
      values,
      Float32Array.from(prepared.parameters.get(name) ?? []),
      `${title} / ${name} after evaluation`,
    );
  }
}
