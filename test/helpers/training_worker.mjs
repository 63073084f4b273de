// Training in a worker thread, on dist: workers of Node 20 run no TypeScript. Posts `running` once its first
// step begins, then the result.
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { openDevice } from '../../dist/index.js';

const decay = { momentum: 0.9, weightDecay: 3e-4 };

/** One search step: alpha by the hypergradient, then the weights. */
function searchStep({ program, parameters, batch, step }) {
  return [
    { kind: 'hypergradient', program, train: batch, validation: batch, learningRate: 0.05, ...decay },
    { kind: 'adam', parameters, learningRate: 0.01, betas: [0.5, 0.999], epsilon: 1e-8, weightDecay: 1e-3, step },
    { kind: 'gradients', program, batch, target: 'weights' },
    { kind: 'sgd', parameters, learningRate: 0.05, ...decay, maxNorm: 5 },
  ];
}

/** Trains a graph for some steps; the losses of the steps, and the weights and alpha at the end. */
export async function train({ graph, batchSize, batch, steps, options }, onReady = () => {}) {
  const device = await openDevice(options);
  const parameters = await device.createParameters(graph, { seed: 5 });
  const program = device.compile(graph, { batchSize, parameters });
  onReady();
  const losses = [];
  for (let step = 1; step <= steps; step++) {
    const outcomes = await device.execute(searchStep({ program, parameters, batch, step }));
    losses.push(outcomes[0].loss, outcomes[2].loss);
  }
  const state = [];
  for (const name of [...parameters.names('weight'), ...parameters.names('alpha')]) {
    state.push([name, (await parameters.get(name)).data]);
  }
  for (const each of [program, parameters, device]) each.dispose();
  return { losses, state };
}

if (!isMainThread && workerData?.graph !== undefined) {
  parentPort.postMessage(await train(workerData, () => parentPort.postMessage('running')));
}
