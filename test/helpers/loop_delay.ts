// How long the event loop is held up, beside what the same machine does to a loop that has nothing to do.
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';

/** 99th percentiles of the delay of this thread's event loop and of an idle one's, in milliseconds. */
export interface LoopDelays {
  readonly working: number;
  readonly idle: number;
}

const idleLoop = `
const { monitorEventLoopDelay } = require('node:perf_hooks');
const { parentPort } = require('node:worker_threads');
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
parentPort.once('message', () => parentPort.postMessage(delay.percentile(99)));
parentPort.postMessage('ready');
`;

const percentileOf = (delay: IntervalHistogram) => delay.percentile(99) / 1e6;

/** Both while some work goes on, which must take some hundred milliseconds. */
export async function loopDelays(work: () => Promise<unknown>): Promise<LoopDelays> {
  const idle = new Worker(idleLoop, { eval: true });
  try {
    await answerOf(idle);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    await work();
    delay.disable();
    idle.postMessage('done');
    return { working: percentileOf(delay), idle: Number(await answerOf(idle)) / 1e6 };
  } finally {
    await idle.terminate();
  }
}

function answerOf(worker: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
}
