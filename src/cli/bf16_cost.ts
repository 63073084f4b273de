import type { Device, Precision, Program } from '../backend/device.ts';
import { openDevice } from '../backend/open.ts';
import { drawBatch } from '../kernels/draw.ts';
import { median } from '../kernels/statistics.ts';
import { buildSupernet } from '../network/supernet.ts';

/** What the CPU engine's bf16 costs and saves, as shares of fp32. */
export interface Bf16Cost {
  /** Of the time of a pass. */
  readonly time: number;
  /** Of its working memory. */
  readonly memory: number;
}

/** A published supernet, cut to its first cells. */
const size = { inputShape: [32, 32, 3], classes: 10, layers: 3 } as const;
const batchSize = 16;
const rounds = 5;

/** Measures passes for the weights of a supernet in either precision, in turn: a second or two. */
export async function measureBf16(): Promise<Bf16Cost> {
  const { graph } = buildSupernet(size);
  using device = await openDevice({ backend: 'cpu' });
  const passes = await Promise.all((['fp32', 'bf16'] as const).map((precision) => openPass(device, graph, precision)));
  const seconds: number[][] = passes.map(() => []);
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const [i, { run }] of passes.entries()) {
      const start = performance.now();
      await run();
      if (round > 0) seconds[i].push(performance.now() - start);
    }
  }
  const [exact, rounded] = await Promise.all(passes.map(({ program }) => program.memory()));
  return {
    time: median(seconds[0].map((of, round) => seconds[1][round] / of)),
    memory: rounded.weights / exact.weights,
  };
}

async function openPass(device: Device, graph: Program['graph'], precision: Precision) {
  const parameters = await device.createParameters(graph, { seed: 0 });
  const program = device.compile(graph, { batchSize, parameters, precision });
  const { inputs, labels } = drawBatch(graph, batchSize, 0);
  return { program, run: () => program.gradients({ batch: { inputs, labels }, target: 'weights' }) };
}
