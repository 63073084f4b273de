// `node terminated_workers.mjs COUNT SIDE LAYERS`: starts COUNT workers one after another that train a stack of LAYERS
// convolutions on images of SIDE pixels without end, terminates each in the middle, and prints what is left as JSON, after the
// time of a pass that nobody ends. A process of its own, because what it looks for ends the process.
import { existsSync, readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { GraphBuilder } from '../../dist/index.js';
import { train } from './training_worker.mjs';

const [count, side, layers] = process.argv.slice(2).map(Number);
const batchSize = 4;

function network() {
  const builder = new GraphBuilder();
  const alpha = builder.alpha('alphas', [1]);
  const skip = { name: 'skip_connect', build: (_, input) => input };
  let y = builder.mixed(builder.input('images', [side, side, 16]), [skip], { alpha, row: 0 });
  for (let i = 0; i < layers; i++) y = builder.conv2d(`layers.${i}`, y, { channels: 16, kernel: 3, padding: 1 });
  return builder.finish(builder.softmaxCrossEntropy(builder.linear('classifier', builder.globalAvgPool(y), 10)));
}

/** Of one step that runs to its end, in milliseconds. */
async function passMillis() {
  await train({ ...workerData, steps: 1 });
  const begin = performance.now();
  await train({ ...workerData, steps: 1 });
  return performance.now() - begin;
}

const images = new Float32Array(batchSize * side * side * 16);
const batch = { inputs: { images }, labels: new Int32Array(batchSize) };
const workerData = { graph: network(), batchSize, batch, steps: Number.MAX_SAFE_INTEGER, options: { threads: 2 } };

/** Ends after the worker did; another moment for each `round`. */
async function terminated(round) {
  const worker = new Worker(new URL('./training_worker.mjs', import.meta.url), { workerData });
  await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  await new Promise((resolve) => setTimeout(resolve, 10 + ((7 * round) % 23)));
  const begin = performance.now();
  const exitCode = await worker.terminate();
  return { exitCode, millis: performance.now() - begin };
}

/** Threads of this process; only Linux lists them. */
const threads = () => (existsSync('/proc/self/task') ? readdirSync('/proc/self/task').length : 0);

const workers = [await terminated(0)];
const threadsAtFirst = threads();
for (let round = 1; round < count; round++) workers.push(await terminated(round));
const threadsAtLast = threads();
console.log(JSON.stringify({ workers, threadsAtFirst, threadsAtLast, passMillis: await passMillis() }));
