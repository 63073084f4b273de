// Single ops, forward and backward, through Benchmark.js. Options: --batch --threads, --filter TEXT (names that contain
// it), --json FILE. Nothing is subtracted: a repeat's time includes its share of the stem and the head.
import { parseArgs } from 'node:util';
import Benchmark from 'benchmark';
import type { Device } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import { median, spread } from '../../src/kernels/statistics.ts';
import { allowedProcessors } from '../../src/processors.ts';
import { normal } from '../../src/random/philox.ts';
import { count } from '../support/arguments.ts';
import { machine } from '../support/machine.ts';
import { figure, printTable, writeJson } from '../support/report.ts';
import { type KernelCase, kernelCases } from './cases.ts';

interface KernelResult {
  readonly name: string;
  /** Of one application of the op to the whole batch, forward and backward. */
  readonly millis: number;
  readonly spreadMillis: number;
  /** Of what the catalogue counts; see src/kernels/work.ts. */
  readonly gigaflopsPerSecond: number;
  readonly gigabytesPerSecond: number;
}

/** Measures single ops and prints them as a table. Throws ArgumentError for a bad option. */
export async function benchKernels(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      batch: { type: 'string' },
      threads: { type: 'string' },
      filter: { type: 'string', default: '' },
      json: { type: 'string' },
    },
  });
  const batch = count('batch', values.batch, 64);
  const threads = count('threads', values.threads, allowedProcessors());
  const device = await openDevice({ backend: 'cpu', threads });
  try {
    console.log(`kernels, forward and backward: batch ${batch}, ${device.description}\n`);
    const results: KernelResult[] = [];
    for (const kernelCase of kernelCases()) {
      if (kernelCase.name.includes(values.filter)) results.push(await measure(device, kernelCase, batch));
    }
    printTable(results.map(row));
    if (values.json) writeJson(values.json, { machine: machine(), device: device.description, batch, results });
  } finally {
    device.dispose();
  }
}

async function measure(
  device: Device,
  { name, graph, repeats, definition }: KernelCase,
  batch: number,
): Promise<KernelResult> {
  const parameters = await device.createParameters(graph, { seed: 0 });
  const program = device.compile(graph, { batchSize: batch, parameters });
  const size = graph.nodes[0].shape.reduce((product, length) => product * length, batch);
  const images = Float32Array.from(normal({ seed: 1, purpose: 'split', epoch: 0, step: 0 }, size));
  const labels = Int32Array.from({ length: batch }, (_, index) => index % 10);
  try {
    const samples = await sample(name, () =>
      program.gradients({ batch: { inputs: { images }, labels }, target: 'both' }),
    );
    const seconds = median(samples) / repeats;
    const { forward, backward } = definition.work(batch);
    return {
      name,
      millis: seconds * 1e3,
      spreadMillis: (spread(samples) / repeats) * 1e3,
      gigaflopsPerSecond: (forward.flops + backward.flops) / seconds / 1e9,
      gigabytesPerSecond: (forward.bytes + backward.bytes) / seconds / 1e9,
    };
  } finally {
    program.dispose();
    parameters.dispose();
  }
}

/** Seconds of each of Benchmark.js's samples, after a run that does not count. */
async function sample(name: string, run: () => Promise<unknown>): Promise<number[]> {
  await run();
  return new Promise((resolve, reject) => {
    const benchmark = new Benchmark(name, {
      defer: true,
      minSamples: 5,
      maxTime: 1,
      fn: (deferred: Benchmark.Deferred) => {
        run().then(() => deferred.resolve(), reject);
      },
      onComplete: () => resolve(benchmark.stats.sample as number[]),
    });
    benchmark.run({ async: true });
  });
}

function row({ name, millis, spreadMillis, gigaflopsPerSecond, gigabytesPerSecond }: KernelResult) {
  return {
    op: name,
    ms: figure(millis),
    spread: figure(spreadMillis),
    'GFLOP/s': figure(gigaflopsPerSecond),
    'GB/s': figure(gigabytesPerSecond),
  };
}

if (import.meta.filename === process.argv[1]) await benchKernels(process.argv.slice(2));
