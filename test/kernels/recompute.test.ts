// Where memory ends, backward computes again what it does not keep, to the same bits.
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Precision, Program } from '../../src/backend/device.ts';
import { type OpenDeviceOptions, openDevice } from '../../src/backend/open.ts';
import { BackendError } from '../../src/errors.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { buildSupernet } from '../../src/network/supernet.ts';
import { directBatch, prepareGraph } from '../helpers/kernel_case.ts';
import { expectSameNumbers, programNumbers } from '../helpers/numbers.ts';

const batchSize = 8;

/** What passes of a supernet come to, a hypergradient's among them, and their working memory. */
async function passes(graph: Graph, options: OpenDeviceOptions, precision: Precision) {
  using device = await openDevice(options);
  const parameters = await device.createParameters(graph, { seed: 3 });
  const program = device.compile(graph, { batchSize, parameters, precision });
  await hypergradient(program);
  const unrolled = new Map<string, Float32Array>();
  for (const name of parameters.names('alpha'))
    unrolled.set(`${name} unrolled`, (await parameters.gradient(name)).data);
  return { numbers: new Map([...unrolled, ...(await programNumbers(program))]), memory: await program.memory() };
}

async function hypergradient(program: Program): Promise<void> {
  const { graph } = program;
  const [train, validation] = [0, 1].map((step) => directBatch(prepareGraph(graph, batchSize, 'normal', step)));
  await program.hypergradient({ train, validation, learningRate: 0.1, momentum: 0.9, weightDecay: 1e-3 });
}

/**
 * Expects the same of passes within limits that grow by a tenth, from the first that is enough up to the memory that they take without one, or
 * one limit only. Gives the memory that weights' passes took of what they take without one.
 */
async function sharesWithinLimits(backend: 'cpu' | 'simt', precision: Precision, once: boolean): Promise<number[]> {
  const { graph } = buildSupernet({ inputShape: [8, 8, 3], classes: 3, initChannels: 4, layers: once ? 2 : 3 });
  const free = await passes(graph, { backend }, precision);
  const shares: number[] = [];
  for (let limit = 2e5; shares.length === 0 || (!once && shares.at(-1)! < 1); limit *= 1.1) {
    const options = { backend, memoryLimitBytes: Math.round(limit) };
    const found = await passes(graph, options, precision).catch((error: unknown) => error as Error);
    if (found instanceof Error) {
      expect(found).toBeInstanceOf(BackendError);
      expect(shares).toEqual([]);
    } else {
      expectSameNumbers(found.numbers, free.numbers);
      shares.push(found.memory.weights / free.memory.weights);
    }
  }
  return shares;
}

const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
afterEach(() => warning.mockClear());

/** What users are told, each once. */
function warnings(): unknown[] {
  return [...new Set(warning.mock.calls.map(([text]) => text))].sort();
}

describe('a limit on memory changes no bit', () => {
  it('of the CPU: what single separables leave is computed again first, then what all do', async () => {
    const shares = new Set(await sharesWithinLimits('cpu', 'fp32', false));
    expect(shares.size).toBe(3);
    expect(warnings()).toEqual([
      'memory is short: what convolutions leave is computed twice instead of kept: slower, with the same results',
      'memory is short: what single convolutions leave is computed twice instead of kept: slower, with the same results',
    ]);
    expect(Math.min(...shares)).toBeLessThan(0.65);
  });

  it('of the CPU, where they are stored rounded', async () => {
    expect((await sharesWithinLimits('cpu', 'bf16', false))[0]).toBeLessThan(0.9);
  });

  it('of the CUDA kernels', async () => {
    expect((await sharesWithinLimits('simt', 'fp32', true))[0]).toBeLessThan(0.9);
  });
});
