// The addon in several threads of one process: worker threads side by side, and workers that are terminated in the middle of a pass.
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, it } from 'vitest';
import type { DirectBatch } from '../../src/backend/device.ts';
import type { OpenDeviceOptions } from '../../src/backend/open.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { expectSameBits } from '../helpers/compare.ts';
import { directBatch, prepareGraph } from '../helpers/kernel_case.ts';
import { type TerminatedWorkers, terminateWorkers } from '../helpers/terminated_workers.ts';
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

describe('workers terminated in the middle of short passes', () => {
  const count = 40;
  let ended: TerminatedWorkers;

  beforeAll(() => {
    ended = terminateWorkers({ count, side: 2, layers: 1 });
  }, 70_000);

  it('leave the process alive', () => {
    expect(ended.workers.map(({ exitCode }) => exitCode)).toEqual(new Array(count).fill(1));
  });

  // Each thread that stays keeps its device's memory.
  it('leave no engine threads behind', () => {
    expect(ended.threadsAtLast).toBeLessThanOrEqual(ended.threadsAtFirst);
  });
});
