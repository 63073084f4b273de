// Images a second of the published evaluation network (DARTS_V2): ours, PyTorch's and, on the exported file, onnxruntime's, in
// turn in one run. Options: --batch 32 --channels --layers --threads --rounds --instruction-set NAME (ours) --json FILE, --profile (ours by kernel, nothing
// else). onnxruntime takes part where examples/serve is installed (npm ci --ignore-scripts there).
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openDevice } from '../../src/backend/open.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import { encodeOnnx } from '../../src/exchange/onnx.ts';
import { torchShape, toTorch } from '../../src/io/layout.ts';
import type { WeightTensor } from '../../src/io/safetensors.ts';
import { drawBatch } from '../../src/kernels/draw.ts';
import { allowedProcessors } from '../../src/processors.ts';
import { costOf } from '../../src/report/cost.ts';
import type { Network } from '../../src/skeleton/skeleton.ts';
import { openTorchPeer, type TorchForm } from '../peers/torch.ts';
import { evaluationNetwork } from '../step/ours.ts';
import { printProfile } from '../step/profile.ts';
import { count } from '../support/arguments.ts';
import { machine } from '../support/machine.ts';
import { alternate, type Contestant, timed } from '../support/measure.ts';
import { figure, printTable, writeJson } from '../support/report.ts';

/** As far as it is used here. */
interface OnnxRuntime {
  readonly InferenceSession: {
    create(bytes: Uint8Array, options: object): Promise<{ run(feeds: object): Promise<unknown> }>;
  };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => object;
}

/** Measures and prints one table. Throws ArgumentError for a bad option. */
export async function benchInference(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      batch: { type: 'string' },
      channels: { type: 'string' },
      layers: { type: 'string' },
      threads: { type: 'string' },
      rounds: { type: 'string' },
      'instruction-set': { type: 'string' },
      json: { type: 'string' },
      profile: { type: 'boolean' },
    },
  });
  const batch = count('batch', values.batch, 32);
  const threads = count('threads', values.threads, allowedProcessors());
  const sizes = { channels: count('channels', values.channels, 36), layers: count('layers', values.layers, 20) };
  const network = evaluationNetwork(sizes);
  using device = await openDevice({ backend: 'cpu', threads, instructionSet: values['instruction-set'] });
  const peak = await device.measurePeak();
  using parameters = await device.createParameters(network.graph, { seed: 0 });
  using program = device.compile(network.graph, { batchSize: batch, parameters });
  const { inputs, labels } = drawBatch(network.graph, batch, 0);
  const pass = { batch: { inputs, labels }, statistics: 'running', read: [network.logits] } as const;
  const evaluate = () => program.evaluate(pass);
  if (values.profile) {
    await evaluate();
    const { profile = [] } = await program.evaluate({ ...pass, profile: true });
    return printProfile('inference', profile);
  }
  const contestants: Contestant[] = [{ name: 'dartsmith', run: () => timed(evaluate) }];
  const onnx = await openOnnx(network, parameters, inputs['images'] as Float32Array, batch, threads);
  if (onnx !== undefined) contestants.push({ name: 'onnxruntime', run: () => timed(onnx) });
  const torch = await openTorchPeer((reason) => console.log(`PyTorch is left out: ${reason}`));
  for (const form of torch === undefined ? [] : (['published', 'tuned'] satisfies TorchForm[])) {
    const options = { form, work: 'evaluation', batch, ...sizes, threads, inference: true } as const;
    contestants.push({ name: `PyTorch, ${form}`, run: async () => (await torch!.time(options)).seconds });
  }
  try {
    const measurements = await alternate(contestants, count('rounds', values.rounds, 10));
    const flops = 2 * batch * costOf(network.graph).multiplyAccumulates;
    console.log(`DARTS_V2, C ${sizes.channels}, ${sizes.layers} cells, batch ${batch}, on ${device.description}`);
    printTable(
      measurements.map(({ name, median, spread, ratio }) => ({
        by: name,
        'images/s': figure(batch / median),
        ms: figure(1e3 * median),
        spread: figure(1e3 * spread),
        'GFLOP/s': figure(flops / median / 1e9),
        'of peak': `${figure((100 * flops) / median / peak.flopsPerSecond)}%`,
        'times ours': figure(ratio),
      })),
    );
    if (values.json) writeJson(values.json, { machine: machine(), batch, ...sizes, threads, measurements });
  } finally {
    await torch?.close();
  }
}

/** A pass of the exported network; undefined where onnxruntime is not installed. */
async function openOnnx(
  { graph, logits }: Network,
  parameters: Parameters,
  images: Float32Array,
  batch: number,
  threads: number,
): Promise<(() => Promise<unknown>) | undefined> {
  let runtime: OnnxRuntime;
  try {
    runtime = createRequire(join(import.meta.dirname, '../../examples/serve/serve.js'))('onnxruntime-node');
  } catch {
    console.log('onnxruntime is left out: npm ci --ignore-scripts in examples/serve');
    return undefined;
  }
  const weights = new Map<string, WeightTensor>();
  for (const { name, layout, shape } of graph.parameters) {
    const { data } = await parameters.get(name);
    weights.set(name, { shape: torchShape(layout, shape), data: toTorch(layout, shape, data) });
  }
  const bytes = encodeOnnx({ graph, output: logits, weights });
  const session = await runtime.InferenceSession.create(bytes, { intraOpNumThreads: threads });
  const [input] = graph.nodes;
  const [height, width, channels] = input.shape;
  // Random numbers: which axis comes first makes no difference to the time.
  const tensor = new runtime.Tensor('float32', images, [batch, channels, height, width]);
  return () => session.run({ images: tensor });
}

if (import.meta.filename === process.argv[1]) await benchInference(process.argv.slice(2));
