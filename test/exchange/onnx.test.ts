// Exported networks under onnxruntime: its logits on real images are ours, whatever the cells and the size of the batch.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../src/backend/open.ts';
import { loadDataset } from '../../src/data/load.ts';
import { exportNetwork } from '../../src/exchange/export.ts';
import { encodeOnnx } from '../../src/exchange/onnx.ts';
import { encodeMetadata } from '../../src/exchange/weight_metadata.ts';
import { readWeights } from '../../src/exchange/weights.ts';
import { genotypes } from '../../src/genotype/published.ts';
import { formatGenotype, parseGenotype } from '../../src/genotype/text.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { buildDerivedNetwork, type DerivedNetworkOptions } from '../../src/network/derived.ts';
import { buildSupernet } from '../../src/network/supernet.ts';
import { type Operation, operations } from '../../src/operation/operations.ts';
import { normal } from '../../src/random/philox.ts';
import { root } from '../helpers/process.ts';
import { scatter } from '../helpers/scattered.ts';
import { scratch } from '../helpers/scratch.ts';
import { example, installExample } from '../helpers/serve_example.ts';

beforeAll(installExample, 120_000);

interface Runtime {
  readonly InferenceSession: {
    create(bytes: Uint8Array): Promise<{ run(feeds: object): Promise<Record<string, { data: Float32Array }>> }>;
  };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => object;
}

/** Runs a model on images, time after time in one session. */
async function openOnnx(bytes: Uint8Array, images: Float32Array, dims: readonly number[]) {
  const { InferenceSession, Tensor } = createRequire(join(example, 'serve.js'))('onnxruntime-node') as Runtime;
  const session = await InferenceSession.create(bytes);
  return async () => (await session.run({ images: new Tensor('float32', images, dims) }))['logits'].data;
}

async function runOnnx(bytes: Uint8Array, images: Float32Array, dims: readonly number[]): Promise<Float32Array> {
  return (await openOnnx(bytes, images, dims))();
}

/** A network with random weights in a file, and its logits on images. */
async function savedNetwork(options: DerivedNetworkOptions, images: Float32Array, batch: number, metadata = {}) {
  using device = await openDevice({ backend: 'cpu' });
  const { graph, logits } = buildDerivedNetwork(options);
  using parameters = await device.createParameters(graph, { seed: 4 });
  await scatter(parameters, 4);
  const path = join(scratch(), 'weights.safetensors');
  await parameters.save(path, { metadata });
  using program = device.compile(graph, { batchSize: batch, parameters });
  const labels = new Int32Array(batch);
  const { outputs } = await program.evaluate({
    batch: { inputs: { images }, labels, dropout: { seed: 4, epoch: 0, step: 0, drops: false } },
    statistics: 'running',
    read: [logits],
  });
  return { path, expected: outputs!.get(logits)!, graph, logits };
}

/** [N, H, W, C] to [N, C, H, W]. */
function planes(images: Float32Array, [height, width, channels]: readonly [number, number, number]): Float32Array {
  const pixels = height * width;
  return images.map((_, i) => {
    const sample = Math.floor(i / (pixels * channels));
    const [channel, pixel] = [Math.floor(i / pixels) % channels, i % pixels];
    return images[(sample * pixels + pixel) * channels + channel];
  });
}

function expectLogits(actual: Float32Array, expected: Float32Array): void {
  expect(actual.length).toBe(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  actual.forEach((value, i) => {
    expect(Math.abs(value - expected[i]), `logit ${i}: ${value}, ours ${expected[i]}`).toBeLessThan(
      1e-4 * Math.max(1, largest),
    );
  });
}

describe('logits under onnxruntime', () => {
  it.each([
    ['DARTS_V2', 'small', [28, 28, 1]],
    ['DARTS_V1', 'small', [32, 28, 3]],
    ['NASNet', 'small', [32, 32, 3]],
    ['AmoebaNet', 'small', [24, 24, 3]],
    ['FairDARTS_c', 'small', [32, 32, 3]],
    ['DCO_EDGE_BS_64', 'small', [28, 32, 3]],
    ['DARTS_EXP1_RE1', 'small', [32, 32, 1]],
    ['FairDARTS_a', 'large', [64, 64, 3]],
    ['DARTS_V2', 'large', [64, 96, 3]],
  ] as const)('of %s, stem %s, images %j, batches of 5 and 1', async (name, stem, inputShape) => {
    const genotype = genotypes[name];
    const sizes = { genotype, inputShape, classes: 7, initChannels: 4, layers: 4, stem };
    const images = Float32Array.from(
      normal({ seed: 9, purpose: 'split', epoch: 0, step: 0 }, 5 * inputShape[0] * inputShape[1] * inputShape[2]),
    );
    const { path, expected } = await savedNetwork(sizes, images, 5);
    const exported = await exportNetwork({
      weights: path,
      genotype,
      format: 'onnx',
      imageSize: [inputShape[0], inputShape[1]],
    });
    expect(exported).toMatchObject({
      initChannels: 4,
      layers: 4,
      stem,
      classes: 7,
      normalises: false,
      auxiliary: false,
    });
    const dims = [inputShape[2], inputShape[0], inputShape[1]];
    const nchw = planes(images, inputShape);
    expectLogits(await runOnnx(exported.bytes, nchw, [5, ...dims]), expected);
    const first = await runOnnx(exported.bytes, nchw.slice(0, nchw.length / 5), [1, ...dims]);
    expectLogits(first, expected.slice(0, 7));
  });

  it.each(['STACNAS_CIFAR10', 'DARTS_EXP1_RE1'])('of %s weighed against none', async (name) => {
    const inputShape = [28, 28, 1] as const;
    const images = Float32Array.from(normal({ seed: 9, purpose: 'split', epoch: 0, step: 0 }, 3 * 784));
    const sizes = { genotype: genotypes[name], inputShape, classes: 7, initChannels: 4, layers: 4 };
    const { path, expected } = await savedNetwork({ ...sizes, keepNone: true }, images, 3);
    const { bytes, keepNone } = await exportNetwork({
      ...{ weights: path, genotype: genotypes[name], format: 'onnx', imageSize: [28, 28] },
    });
    expect(keepNone).toBe(true);
    expectLogits(await runOnnx(bytes, planes(images, inputShape), [3, 1, 28, 28]), expected);
  });

  it.each([
    '|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|skip_connect~2|',
    '|nor_conv_7x7~0|+|dua_sepc_3x3~0|max_pool_3x3~1|+|dil_sepc_5x5~0|dua_sepc_5x5~1|dil_sepc_3x3~2|',
    '|none~0|+|none~0|none~1|+|none~0|none~1|none~2|',
  ])('of NAS-Bench-201 %s', async (text) => {
    const inputShape = [16, 20, 3] as const;
    const images = Float32Array.from(normal({ seed: 9, purpose: 'split', epoch: 0, step: 0 }, 3 * 960));
    const sizes = { genotype: parseGenotype(text), inputShape, classes: 7, initChannels: 4, layers: 6 };
    const { path, expected } = await savedNetwork(sizes, images, 3);
    const exported = await exportNetwork({
      ...{ weights: path, genotype: sizes.genotype, format: 'onnx', imageSize: [16, 20] },
    });
    expect(exported).toMatchObject({
      skeleton: 'nasbench201',
      initChannels: 4,
      layers: 6,
      classes: 7,
      supernet: false,
    });
    expectLogits(await runOnnx(exported.bytes, planes(images, inputShape), [3, 3, 16, 20]), expected);
  });

  const edge = (operation: string, input: number) => ({ operation, input });
  /** Of what else the builder offers to an operation. */
  const own: Operation = (builder, input, { channels, stride }) => {
    const half = { channels: channels / 2, kernel: [3, 1], stride, padding: [1, 0] } as const;
    const active = builder.conv2d('half', builder.relu(input), half);
    const whole = builder.concat([active, builder.zero(active.shape)]);
    return builder.batchNorm('norm', builder.dropout(whole, { rate: 0.5, drops: 'elements' }), { affine: false });
  };

  it.each([
    [
      'every operation that a genotype may hold, none and one of your own included',
      [...Object.keys(operations).filter((name) => name !== 'noise'), 'own'],
    ],
    ['cells of nothing', ['none']],
  ])('of %s', async (_, names) => {
    // From a state at stride 1 and 2 both, and with none beside each; the last node is of none alone.
    const nodes = [...names, 'none'].map((name) => [edge(name, 0), edge('none', 1)]);
    const cell = { nodes, concat: nodes.map((_, node) => node + 2) };
    const genotype = { normal: cell, reduce: cell };
    const inputShape = [16, 12, 2] as const;
    const images = Float32Array.from(normal({ seed: 3, purpose: 'split', epoch: 0, step: 0 }, 3 * 16 * 12 * 2));
    const options = { genotype, inputShape, classes: 5, initChannels: 2, layers: 3, operations: { own } };
    const { path, expected } = await savedNetwork(options, images, 3);
    const { bytes } = await exportNetwork({
      ...{ weights: path, genotype, operations: { own }, format: 'onnx' },
      imageSize: [16, 12],
    });
    expectLogits(await runOnnx(bytes, planes(images, inputShape), [3, 2, 16, 12]), expected);
  });

  it('of noise, which draws anew in every run', async () => {
    const nodes = [[edge('noise', 0), edge('sep_conv_3x3', 1)]];
    const cell = { nodes, concat: [2] };
    const genotype = { normal: cell, reduce: cell };
    const inputShape = [8, 8, 2] as const;
    const images = Float32Array.from(normal({ seed: 3, purpose: 'split', epoch: 0, step: 0 }, 2 * 8 * 8 * 2));
    const options = { genotype, inputShape, classes: 5, initChannels: 2, layers: 3 };
    const { path, expected } = await savedNetwork(options, images, 2);
    const { bytes } = await exportNetwork({ ...{ weights: path, genotype, format: 'onnx' }, imageSize: [8, 8] });
    const run = await openOnnx(bytes, planes(images, inputShape), [2, 2, 8, 8]);
    const [first, second] = [await run(), await run()];
    expect(first.length).toBe(expected.length);
    expect(first.every(Number.isFinite)).toBe(true);
    expect(second).not.toEqual(first);
  });

  it('not of noise that ONNX cannot draw', () => {
    const builder = new GraphBuilder();
    const noisy = builder.noise(builder.input('images', [4, 4, 3]), { distribution: 'integers', always: true });
    const logits = builder.linear('last', builder.globalAvgPool(noisy), 2);
    const graph = builder.finish(logits);
    const options = { graph, output: logits.id, weights: new Map() };
    expect(() => encodeOnnx(options)).toThrow(/normal noise but got noise of integers/);
  });

  it('on real images, which the model normalises itself', async () => {
    const { test, ...mnist } = await loadDataset('mnist', { limit: 2 });
    const genotype = genotypes['DARTS_V2'];
    const sizes = {
      genotype,
      inputShape: [28, 28, 1],
      classes: 10,
      initChannels: 8,
      layers: 5,
      auxiliaryWeight: 0.4,
    } as const;
    const pixels = Float32Array.from(test!.images.subarray(0, 64 * 784), (byte) => byte / 255);
    const normalised = pixels.map((value) => (value - mnist.mean[0]) / mnist.deviation[0]);
    const classNames = Array.from({ length: 10 }, (_, digit) => `digit ${digit}`);
    const metadata = encodeMetadata(genotype, { ...mnist, classNames });
    const { path, expected } = await savedNetwork(sizes, normalised, 64, metadata);
    // Genotype, size and normalisation are told by the file.
    const exported = await exportNetwork({ weights: path, format: 'onnx' });
    expect(exported).toMatchObject({ genotype, inputShape: [28, 28, 1], normalises: true, auxiliary: true });
    expect(Buffer.from(exported.bytes).includes(JSON.stringify(classNames))).toBe(true);
    expectLogits(await runOnnx(exported.bytes, pixels, [64, 1, 28, 28]), expected);
  });
});

describe('other forms', () => {
  const genotype = genotypes['DARTS_V1'];
  const sizes = {
    genotype,
    inputShape: [32, 32, 3],
    classes: 10,
    initChannels: 2,
    layers: 3,
    auxiliaryWeight: 0.4,
  } as const;

  // From state 3, which nothing makes: its operations have weights all the same.
  const passingOver = parseGenotype(`Genotype(
    normal=[('sep_conv_3x3', 2, 0), ('sep_conv_5x5', 5, 3), ('skip_connect', 5, 1)], normal_concat=range(2, 6),
    reduce=[('dil_conv_5x5', 4, 3), ('max_pool_3x3', 4, 0)], reduce_concat=range(2, 6))`);

  it.each([
    ['of pairs', genotype],
    ['of triples, some passed over', passingOver],
  ])('keep every weight on the way to PyTorch and back: %s', async (_, genotype) => {
    const { path } = await savedNetwork({ ...sizes, genotype }, new Float32Array(2 * 3072), 2);
    const pt = join(scratch(), 'weights.pt');
    writeFileSync(pt, (await exportNetwork({ weights: path, genotype, format: 'pt' })).bytes);
    const back = join(scratch(), 'back.safetensors');
    writeFileSync(back, (await exportNetwork({ weights: pt, genotype, format: 'safetensors' })).bytes);
    const [before, after] = [await readWeights(path), await readWeights(back)];
    const uncounted = [...after.tensors].filter(([name]) => !name.endsWith('num_batches_tracked'));
    expect(uncounted).toEqual([...before.tensors]);
    expect(after.metadata['genotype']).toBe(formatGenotype(genotype, 'json'));
  });

  it('refuse the weights of another network, and a genotype that nobody tells', async () => {
    const { path, graph, logits } = await savedNetwork(sizes, new Float32Array(2 * 3072), 2);
    await expect(exportNetwork({ weights: path, format: 'onnx' })).rejects.toThrow('expected the genotype (--arch)');
    const other = exportNetwork({ weights: path, genotype: genotypes['NASNet'], format: 'onnx' });
    await expect(other).rejects.toThrow(/does not fit .*missing cells\.0.*unexpected/);
    const fixture = join(root, 'test/fixtures/torch/zip.pt');
    await expect(exportNetwork({ weights: fixture, genotype, format: 'pt' })).rejects.toThrow('holds no network');
    expect(() => encodeOnnx({ graph, output: logits, weights: new Map() })).toThrow('expected a weight named');
    const supernet = buildSupernet({ inputShape: [8, 8, 3], classes: 3, initChannels: 2, layers: 3 });
    const tensors = new Map(
      supernet.graph.parameters.map(({ name, shape }) => [name, { shape, data: new Float32Array(0) }]),
    );
    expect(() => encodeOnnx({ graph: supernet.graph, output: supernet.logits, weights: tensors })).toThrow(
      /for searches/,
    );
  });
});
