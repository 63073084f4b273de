// The addon in several threads of one process: worker threads side by side, and workers that are terminated in the middle of a
// pass.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, it } from 'vitest';
import type { DirectBatch } from '../../src/backend/device.ts';
import type { OpenDeviceOptions } from '../../src/backend/open.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { expectSameBits } from '../helpers/compare.ts';
import { prepareGraph } from '../helpers/kernel_case.ts';
import { directBatch } from '../helpers/parameter_space.ts';
import { tinySupernet } from '../helpers/tiny_supernet.ts';

/** What training_worker.mjs takes as its `workerData`. */
interface TrainingTask {
  readonly graph: Graph;
  readonly batchSize: number;
  readonly batch: DirectBatch;
  readonly steps: number;
  readonly options: OpenDeviceOptions;
}

interface Trained {
  readonly losses: readonly number[];
  readonly state: readonly (readonly [string, Float32Array])[];
}

const script = new URL('../helpers/training_worker.mjs', import.meta.url);
// A variable, so that TypeScript does not look for types of JavaScript that runs on dist.
const { train } = (await import(script.href)) as { train: (task: TrainingTask) => Promise<Trained> };

const graph = tinySupernet();
const batchSize = 6;
const task: TrainingTask = {
  graph,
  batchSize,
  batch: directBatch(prepareGraph(graph, batchSize)),
  steps: 12,
  options: { threads: 2 },
};

function start(workerData: TrainingTask): Worker {
  return new Worker(fileURLToPath(script), { workerData });
}

/** What a worker says that is no `running`. */
function result(worker: Worker): Promise<Trained> {
  return new Promise((resolve, reject) => {
    worker.on('message', (message: Trained | 'running') => message !== 'running' && resolve(message));
    worker.on('error', reject);
    worker.on('exit', (code) => reject(new Error(`the worker ended with ${code} and without a result`)));
  });
}

function expectSameTraining(actual: Trained, expected: Trained, who: string): void {
  expect(actual.losses, who).toEqual(expected.losses);
  actual.state.forEach(([name, values], i) => {
    expectSameBits(values, expected.state[i][1], `${name} of ${who}`);
  });
}

describe('worker threads', () => {
  let alone: Trained;

  beforeAll(async () => {
    alone = await train(task);
  });

  it('train at the same time, each to the bits of the main thread alone', async () => {
    expect(new Set(alone.losses).size, 'training must move the loss').toBe(alone.losses.length);
    const workers = [start(task), start({ ...task, options: { threads: 3 } })];
    const [first, second] = await Promise.all(workers.map(result));
    expectSameTraining(first, alone, 'the first worker');
    expectSameTraining(second, alone, 'the second worker');
  });

  it('train while the main thread does', async () => {
    const [inWorker, here] = await Promise.all([result(start(task)), train({ ...task, options: { threads: 1 } })]);
    expectSameTraining(inWorker, alone, 'the worker');
    expectSameTraining(here, alone, 'the main thread');
  });
});

/** What terminated_workers.mjs prints. */
interface TerminatedWorkers {
  readonly workers: readonly { readonly exitCode: number; readonly millis: number }[];
  readonly threadsAtFirst: number;
  readonly threadsAtLast: number;
}

describe.each([
  { kind: 'short passes', count: 60, side: 2, layers: 1 },
  { kind: 'passes of seconds', count: 6, side: 64, layers: 120 },
])('workers terminated in the middle of $kind', ({ count, side, layers }) => {
  let outcome: TerminatedWorkers | undefined;
  let log: string;

  beforeAll(() => {
    const child = fileURLToPath(new URL('../helpers/terminated_workers.mjs', import.meta.url));
    const args = [child, ...[count, side, layers].map(String)];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 });
    log = stderr;
    outcome = status === 0 ? (JSON.parse(stdout) as TerminatedWorkers) : undefined;
  }, 70_000);

  it('leave the process alive', () => {
    expect(outcome, log).toBeDefined();
    expect(outcome?.workers.map(({ exitCode }) => exitCode)).toEqual(new Array(count).fill(1));
  });

  it('end within some kernels', () => {
    expect(outcome, log).toBeDefined();
    const millis = outcome!.workers.map((worker) => worker.millis).sort((a, b) => a - b);
    expect(millis[Math.floor(count / 2)]).toBeLessThan(300);
  });

  // Each thread that stays keeps its device's memory.
  it('leave no engine threads behind', () => {
    expect(outcome, log).toBeDefined();
    expect(outcome!.threadsAtLast).toBeLessThanOrEqual(outcome!.threadsAtFirst);
  });
});
