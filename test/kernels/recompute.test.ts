// Where memory ends, backward computes again what it does not keep, to the same bits.
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Command, Precision, Program } from '../../src/backend/device.ts';
import { type OpenDeviceOptions, openDevice } from '../../src/backend/open.ts';
import { BackendError } from '../../src/errors.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { buildSupernet } from '../../src/network/supernet.ts';
import { depthwiseSeparable, identity } from '../helpers/candidates.ts';
import { directBatch, prepareGraph } from '../helpers/kernel_case.ts';
import { expectSameNumbers, programNumbers } from '../helpers/numbers.ts';
import { smallBatch, smallDataset } from '../helpers/small_net.ts';

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

/** Cells of few channels, with pairs of separables among their candidates. */
function cells(layers: number): Graph {
  return buildSupernet({ inputShape: [8, 8, 3], classes: 3, initChannels: 4, layers }).graph;
}

/** Edges one after another, of so many channels that CUDA's sliding warps take their separables. */
function edges(): Graph {
  const builder = new GraphBuilder();
  const alpha = builder.alpha('alphas', [3, 3, 3]);
  const stem = builder.conv2d('stem', builder.input('images', [8, 8, 3]), { channels: 16, kernel: 3, padding: 1 });
  const candidates = [identity, depthwiseSeparable(3), depthwiseSeparable(5, { dilation: 2 })];
  const last = [0, 1, 2].reduce(
    (state, row) => builder.within(`edge${row}`).mixed(state, candidates, { alpha, row }),
    builder.batchNorm('norm', stem, { affine: true }),
  );
  return builder.finish(builder.softmaxCrossEntropy(builder.linear('classifier', builder.globalAvgPool(last), 3)));
}

/**
 * Expects the same of passes within limits that grow by a tenth, from the first that is enough up to the memory that they take without one, or
 * one limit only. Gives the memory that weights' passes took of what they take without one.
 */
async function sharesWithinLimits(
  graph: Graph,
  backend: 'cpu' | 'simt',
  { precision = 'fp32', once = false }: { readonly precision?: Precision; readonly once?: boolean },
): Promise<number[]> {
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
    const shares = new Set(await sharesWithinLimits(cells(3), 'cpu', {}));
    expect(shares.size).toBe(3);
    expect(warnings()).toEqual([
      'memory is short: what convolutions leave is computed twice instead of kept: slower, with the same results',
      'memory is short: what single convolutions leave is computed twice instead of kept: slower, with the same results',
    ]);
    expect(Math.min(...shares)).toBeLessThan(0.65);
  });

  it('of the CPU, where they are stored rounded', async () => {
    expect((await sharesWithinLimits(cells(3), 'cpu', { precision: 'bf16' }))[0]).toBeLessThan(0.9);
  });

  it("of CUDA's sliding warps", async () => {
    expect((await sharesWithinLimits(edges(), 'simt', { once: true }))[0]).toBeLessThan(0.9);
  });

  it("of CUDA's tiles", async () => {
    expect((await sharesWithinLimits(cells(2), 'simt', { once: true }))[0]).toBeLessThan(0.9);
  });

  it('of runs that are recorded, where one program does with less after another had room', async () => {
    const losses = async (memoryLimitBytes?: number) => {
      using device = await openDevice({ backend: 'simt', ...(memoryLimitBytes && { memoryLimitBytes }) });
      const graph = edges();
      const parameters = await device.createParameters(graph, { seed: 3 });
      const dataset = await smallDataset(device, 1, [8, 8, 3]);
      const programs = [6, 5].map((batchSize) => device.compile(graph, { batchSize, parameters }));
      const found: unknown[] = [];
      for (let step = 0; step < 4; step++) {
        const commands = programs.map(
          (program): Command => ({
            ...{ kind: 'gradients', program, target: 'weights' },
            batch: smallBatch(dataset, program.batchSize, step),
          }),
        );
        found.push(await device.execute(commands));
      }
      return { found, memory: await Promise.all(programs.map((program) => program.memory())) };
    };
    const free = await losses();
    let some = 0;
    for (let limit = 2e5; some < 3; limit *= 1.05) {
      const limited = await losses(Math.round(limit)).catch((error: unknown) => error as Error);
      if (limited instanceof Error) expect(limited.message).toMatch(/would fit|in use/);
      else {
        expect(limited.found).toEqual(free.found);
        some++;
      }
    }
  });
});
