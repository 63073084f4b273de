// Every kernel of the catalogue on the native device: output and gradients against its float64 reference.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../../src/backend/device.ts';
import { openDevice } from '../../../src/backend/open.ts';
import { ArgumentError } from '../../../src/errors.ts';
import { referencePass } from '../../../src/kernels/definition.ts';
import { drawBatch } from '../../../src/kernels/draw.ts';
import { buildGraph } from '../../../src/kernels/source.ts';
import {
  defineKernel,
  type KernelDefinition,
  kernelNames,
  kernels,
  kernelVariants,
  openKernel,
} from '../../../src/kernels.ts';
import { errorGrowth, tolerance } from '../../../src/reference/tolerance.ts';
import { spaces } from '../../../src/space/space.ts';
import { expectClose } from '../../helpers/compare.ts';
import { ops } from '../../kernels/cases.ts';

const batchSize = 3;

let device: Device;
beforeAll(async () => {
  device = await openDevice({ threads: 1 });
});
afterAll(() => device.dispose());

/** The forms that networks use, on even and odd sizes, and every option at another value than its default. */
const definitions: readonly KernelDefinition[] = [
  ...kernelNames.flatMap((name) => kernelVariants(name, [8, 6, 16])),
  ...kernelNames.filter((name) => name !== 'factorizedReduce').flatMap((name) => kernelVariants(name, [5, 7, 3])),
  kernels.separable({ shape: [9, 7, 6], kernel: 5, stride: 2, channels: 10, affine: true }),
  kernels.pointwise({ shape: [4, 5, 6], channels: 9, affine: true }),
  kernels.factorizedReduce({ shape: [6, 4, 3], channels: 8, affine: true }),
  kernels.pooling({ shape: [6, 7, 5], pool: 'avg', kernel: 5, stride: 2 }),
  kernels.normalisedSum({ shape: [4, 5, 3], terms: 4, affine: true }),
  kernels.mixedEdge({
    shape: [6, 6, 4],
    stride: 2,
    activation: 'sigmoid',
    candidates: ['none', 'skip_connect', 'conv_7x1_1x7'],
  }),
  kernels.mixedNode({ shape: [5, 5, 4], edges: 3, candidates: ['skip_connect', 'dil_conv_3x3', 'avg_pool_3x3'] }),
  kernels.mixedNode({ shape: [4, 4, 4], edges: 1, stride: 2, activation: 'sigmoid' }),
  kernels.conv2d({ shape: [7, 6, 4], kernel: 5, stride: 2, dilation: 2, channels: 6, groups: 2 }),
  kernels.depthwise({ shape: [7, 6, 4], kernel: 7, stride: 2 }),
  kernels.maxPool({ shape: [7, 6, 4], kernel: 5, stride: 2 }),
  kernels.avgPool({ shape: [7, 6, 4], kernel: 5, stride: 2 }),
  kernels.linear({ inputs: 7, outputs: 3 }),
  kernels.add({ shape: [3, 4, 5], terms: 3 }),
  kernels.concat({ shape: [3, 4, 5], terms: 3 }),
  kernels.crop({ shape: [5, 6, 2], top: 0, left: 3 }),
  kernels.softmaxCrossEntropy({ classes: 7 }),
  kernels.embedding({ words: 5, channels: 7 }),
  kernels.tiedLinear({ words: 7, channels: 5 }),
  kernels.variationalDropout({ channels: 5, length: 3, rate: 0.2 }),
  kernels.recurrentCell({ channels: 5, length: 2, nodes: 3 }),
  kernels.recurrentCell({ channels: 6, length: 3, edges: [{ activation: 'identity', from: 0 }] }),
  kernels.meanSquare({ channels: 7 }),
  kernels.slowness({ channels: 5, length: 3 }),
];

describe('the catalogue', () => {
  it.each(definitions.map((definition, index) => [index, definition.name, definition] as const))(
    '%i %s: output and every gradient agree with the reference',
    async (_, name, definition) => {
      using kernel = await openKernel(device, { ...definition, batchSize, seed: 3 });
      const { inputs, labels, dropout, outputGradient } = drawBatch(kernel.graph, kernel.samples, 5);
      const parameters: Record<string, Float32Array> = {};
      for (const parameter of kernel.parameters.names()) {
        parameters[parameter] = (await kernel.parameters.get(parameter)).data;
      }
      const values = { batchSize, inputs, parameters, labels, dropout, outputGradient };
      const expected = definition.reference(values);
      const growth = errorGrowth(
        kernel.graph,
        kernel.samples,
        referencePass(kernel.graph, values, kernel.length),
        batchSize,
      );
      const close = (tensor: string, actual: Float32Array, exact: Float64Array, direction: 'forward' | 'backward') =>
        expectClose(actual, exact, { name: `${name} / ${tensor}`, tolerance: tolerance(exact, growth, direction) });

      close('output', await kernel.forward(inputs, { labels, dropout }), expected.output, 'forward');
      const actual = await kernel.backward(inputs, outputGradient, { labels, dropout });
      close('output of backward', actual.output, expected.output, 'forward');
      expect(Object.keys(actual.inputs)).toEqual(Object.keys(definition.inputs));
      for (const [input, exact] of Object.entries(expected.inputs)) {
        close(`gradient of ${input}`, actual.inputs[input], exact, 'backward');
      }
      expect(Object.keys(actual.parameters)).toEqual(Object.keys(expected.parameters));
      for (const [parameter, exact] of Object.entries(expected.parameters)) {
        close(`gradient of ${parameter}`, actual.parameters[parameter], exact, 'backward');
      }
    },
  );

  it('builds what the names say', () => {
    const shape = [8, 6, 4] as const;
    const outputOf = (definition: KernelDefinition) => {
      const { nodes, output } = buildGraph(definition);
      return [nodes.map(({ op }) => op).join(' '), nodes[output].shape];
    };
    const chain = 'input relu conv2d conv2d batchNorm';
    expect(outputOf(kernels.separable({ shape, kernel: 5, dilation: 2 }))).toEqual([chain, [8, 6, 4]]);
    expect(outputOf(kernels.separable({ shape, stride: 2, channels: 10 }))).toEqual([chain, [4, 3, 10]]);
    expect(outputOf(kernels.pointwise({ shape, channels: 3 }))).toEqual(['input relu conv2d batchNorm', [8, 6, 3]]);
    expect(outputOf(kernels.pooling({ shape, pool: 'avg' }))).toEqual(['input avgPool batchNorm mixed', [8, 6, 4]]);
    expect(outputOf(kernels.factorizedReduce({ shape }))[1]).toEqual([4, 3, 4]);
    expect(outputOf(kernels.mixedEdge({ shape, stride: 2 }))[1]).toEqual([4, 3, 4]);
    expect(outputOf(kernels.concat({ shape, terms: 3 }))).toEqual(['input input input concat', [8, 6, 12]]);
    expect(outputOf(kernels.tiedLinear({ words: 9, channels: 4 }))).toEqual(['input embedding tiedLinear', [9]]);
    expect(outputOf(kernels.recurrentCell({ channels: 4 }))).toEqual(['input recurrentCell', [4]]);
    const { nodes } = buildGraph(kernels.mixedEdge({ shape }));
    const mixed = nodes.at(-1);
    expect(mixed?.op === 'mixed' && mixed.branches.map(({ name }) => name)).toEqual(spaces['darts'].candidates);
  });

  it('names each form once', () => {
    const names = kernelNames.flatMap((name) => kernelVariants(name, [8, 8, 4])).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain('separable 5x5 dilation 2');
    expect(names).toContain('mixedEdge stride 2');
  });

  it('holds every op of a graph', () => {
    const definitionsOfAll = kernelNames.flatMap((name) => kernelVariants(name, [8, 8, 4]));
    const held = new Set(definitionsOfAll.flatMap((definition) => buildGraph(definition).nodes.map(({ op }) => op)));
    for (const op of ops) expect(held).toContain(op);
  });

  it('reaches every fused kernel of the engine', async () => {
    const ran = new Set<string>();
    for (const definition of ['separable', 'pooling', 'normalisedSum'] as const) {
      using kernel = await openKernel(device, { ...kernelVariants(definition, [4, 4, 8])[0], batchSize });
      const { inputs, outputGradient } = drawBatch(kernel.graph, batchSize, 0);
      const { forward, backward } = await kernel.measure(inputs, outputGradient);
      for (const { kernel: name, seconds } of [...forward, ...backward]) {
        ran.add(name);
        expect(seconds).toBeGreaterThan(0);
      }
      expect(forward.every(({ kernel: name }) => name.endsWith(' forward'))).toBe(true);
      expect(backward.every(({ kernel: name }) => name.endsWith(' backward'))).toBe(true);
    }
    for (const name of ['separable', 'combine', 'moments', 'pooledMoments']) {
      expect(ran).toContain(`${name} forward`);
      expect(ran).toContain(`${name} backward`);
    }
  });

  it('takes options of its types only', () => {
    const shape = [8, 8, 4] as const;
    const refused = (make: () => unknown, message: string) => {
      expect(make).toThrow(ArgumentError);
      expect(make).toThrow(message);
    };
    refused(
      () => kernels.relu({ shape: [8, 8] as never }),
      'expected [height, width, channels] for shape but received [8,8]',
    );
    refused(() => kernels.relu({ shape: [8, 0, 4] }), 'expected a positive integer for shape but received 0');
    refused(() => kernels.relu({} as never), 'for shape but received undefined');
    refused(() => kernels.separable({ shape, kernel: 4 }), 'expected an odd number for kernel but received 4');
    refused(() => kernels.separable({ shape, dilation: 0 }), 'expected a positive integer for dilation but received 0');
    refused(() => kernels.separable({ shape, stride: 1.5 }), 'expected a positive integer for stride but received 1.5');
    refused(() => kernels.separable({ shape, channels: -1 }), 'for channels but received -1');
    refused(() => kernels.pointwise({ shape, affine: 1 as never }), 'expected true or false for affine but received 1');
    refused(
      () => kernels.pooling({ shape, pool: 'mean' as never }),
      "expected 'max' or 'avg' for pool but received 'mean'",
    );
    refused(() => kernels.add({ shape, terms: 1 }), 'expected an integer of at least 2 for terms but received 1');
    refused(() => kernels.mixedEdge({ shape, stride: 3 as never }), 'expected 1 or 2 for stride but received 3');
    refused(() => kernels.mixedEdge({ shape, candidates: ['conv'] }), "but received 'conv'");
    refused(
      () => kernels.mixedEdge({ shape, activation: 'tanh' as never }),
      "expected 'softmax' or 'sigmoid' for activation",
    );
    refused(() => kernels.mixedNode({ shape, edges: 0 }), 'expected a positive integer for edges but received 0');
    refused(() => kernels.factorizedReduce({ shape: [7, 8, 4] }), 'expected an even height and width but got 7x8');
    refused(() => kernels.conv2d({ shape, groups: 3 }), 'for groups but received 3');
    refused(() => kernels.linear({ inputs: 0, outputs: 3 }), 'for inputs but received 0');
    refused(() => kernels.softmaxCrossEntropy({ classes: 0 }), 'for classes but received 0');
    refused(() => kernels.embedding({ words: 0, channels: 3 }), 'for words but received 0');
    refused(() => kernels.tiedLinear({ words: 3, channels: 0.5 }), 'for channels but received 0.5');
    refused(() => kernels.variationalDropout({ channels: 3, rate: 1 }), 'for rate but received 1');
    refused(() => kernels.recurrentCell({ channels: 3, nodes: 0 }), 'for nodes but received 0');
    refused(() => kernels.recurrentCell({ channels: 3, edges: [{ activation: 'tanh', from: 1 }] }), 'from');
    refused(() => kernels.slowness({ channels: 3, length: 0 }), 'for length but received 0');
  });
});

describe('work', () => {
  const work = (definition: KernelDefinition, batch: number) => definition.work(batch);

  it('counts a separable as one does by hand', () => {
    // An image: relu 32, depthwise 2·16·18, pointwise 2·16·4, norm 5·32; gradients: 32, twice the products, 7·32.
    const flops = { forward: 32 + 576 + 128 + 160, backward: 32 + 1152 + 256 + 224 };
    // Numbers: x and output 32 an image, weights 18 + 4.
    const [tensor, weights] = [3 * 32, 22];
    expect(work(kernels.separable({ shape: [4, 4, 2] }), 3)).toEqual({
      forward: { flops: 3 * flops.forward, bytes: 4 * (2 * tensor + weights) },
      backward: { flops: 3 * flops.backward, bytes: 4 * (3 * tensor + 2 * weights) },
    });
  });

  it('reads an input again only where its gradient depends on it', () => {
    const bytes = (definition: KernelDefinition) => work(definition, 1).backward.bytes / 4;
    expect(bytes(kernels.relu({ shape: [2, 2, 4] }))).toBe(3 * 16);
    expect(bytes(kernels.avgPool({ shape: [2, 2, 4] }))).toBe(2 * 16);
    expect(bytes(kernels.crop({ shape: [2, 2, 4] }))).toBe(4 + 16);
    const pooled = defineKernel('pooled', {
      inputs: { x: [2, 2, 4] },
      build: (builder, { x }) => builder.relu(builder.globalAvgPool(x)),
    });
    expect(bytes(pooled)).toBe(4 + 2 * 16);
  });

  it('counts a mixed operation and a loss', () => {
    // Three branches of 8 numbers, one of them zero; alpha has 3 numbers.
    const edge = kernels.mixedEdge({ shape: [2, 2, 2], candidates: ['none', 'skip_connect', 'avg_pool_3x3'] });
    // avg pool 9 taps and its norm 5 (7), then 2 (3) for each of two branches.
    expect(work(edge, 1)).toEqual({
      forward: { flops: 8 * (9 + 5 + 4), bytes: 4 * (8 + 8 + 3) },
      backward: { flops: 8 * (9 + 7 + 6), bytes: 4 * (3 * 8 + 2 * 3) },
    });
    // Logits, one label a sample, one loss.
    expect(work(kernels.softmaxCrossEntropy({ classes: 5 }), 2)).toEqual({
      forward: { flops: 4 * 10, bytes: 4 * (10 + 2 + 1) },
      backward: { flops: 2 * 10, bytes: 4 * (2 * 10 + 2 + 1) },
    });
  });

  it('counts words that are looked up, and a recurrent cell', () => {
    // Three words: each is read, with its row; backward each is read again, with the row's gradient, for a table of gradients.
    expect(work(kernels.embedding({ words: 50, channels: 4 }), 3)).toEqual({
      forward: { flops: 0, bytes: 4 * (3 + 12 + 12) },
      backward: { flops: 12, bytes: 4 * (12 + 3 + 200) },
    });
    // No more rows than there are.
    expect(work(kernels.embedding({ words: 2, channels: 4 }), 3).forward.bytes).toBe(4 * (3 + 8 + 12));
    // Both uses of the table, and the bias.
    expect(work(kernels.tiedLinear({ words: 50, channels: 4 }), 3).forward).toEqual({
      flops: 3 * (2 * 200 + 50),
      bytes: 4 * (3 + 200 + 50 + 150),
    });
    // Two times of three columns: W0 of 64 and W1 of 32 numbers, a gate and a tanh in front, a gate and a relu behind, a mean.
    const edges = [{ activation: 'relu', from: 0 }] as const;
    const cell = work(kernels.recurrentCell({ channels: 4, length: 2, edges }), 3);
    expect(cell.forward).toEqual({ flops: 6 * (2 * (64 + 32) + 4 * (9 + 7)), bytes: 4 * (24 + 96 + 24) });
    expect(cell.backward.bytes).toBe(4 * (24 + 24 + 24 + 2 * 96));
    // Of a searched one as many times the products as there are pairs: 2·C·C numbers each.
    const products = (nodes: number) =>
      work(kernels.recurrentCell({ channels: 400, length: 35, nodes }), 64).forward.flops;
    const exact = 35 * 64 * 2 * (2 + 36) * 2 * 400 ** 2;
    expect(products(8) / exact).toBeGreaterThan(1);
    expect(products(8) / exact).toBeLessThan(1.03);
  });

  it('refuses a batch that is none', () => {
    expect(() => kernels.relu({ shape: [1, 1, 1] }).work(0)).toThrow('a positive integer for batchSize but received 0');
  });
});

describe('reference', () => {
  const sum = kernels.add({ shape: [1, 1, 2] });

  it('takes any array of numbers', () => {
    const inputs = { x0: [1, 2], x1: Float32Array.of(10, 20) };
    const { output, inputs: gradients } = sum.reference({ batchSize: 1, inputs, outputGradient: [3, 4] });
    expect([...output]).toEqual([11, 22]);
    expect([...gradients.x0, ...gradients.x1]).toEqual([3, 4, 3, 4]);
    expect([...sum.reference({ batchSize: 1, inputs }).inputs.x0]).toEqual([0, 0]);
  });

  it('gives a loss as one number', () => {
    const loss = kernels.softmaxCrossEntropy({ classes: 2 });
    const { output, inputs } = loss.reference({ batchSize: 1, inputs: { x: [0, 0] }, labels: Int32Array.of(1) });
    expect(output[0]).toBeCloseTo(Math.LN2, 12);
    expect([...inputs.x]).toEqual([0.5, -0.5]);
  });

  it('takes times one after another', () => {
    const { output, inputs } = kernels
      .slowness({ channels: 1, length: 3 })
      .reference({ batchSize: 2, inputs: { x: [1, 10, 2, 10, 4, 13] } });
    expect(output[0]).toBeCloseTo((1 + 0 + 4 + 9) / 4, 12);
    expect([...inputs.x]).toEqual([-0.5, 0, -0.5, -1.5, 1, 1.5]);
  });

  it('refuses what is missing or of another length', () => {
    expect(() => sum.reference({ batchSize: 1, inputs: { x0: [1, 2] } as never })).toThrow(
      'expected 2 numbers for inputs.x1 but received undefined',
    );
    expect(() => sum.reference({ batchSize: 0, inputs: { x0: [], x1: [] } })).toThrow('for batchSize but received 0');
    const linear = kernels.linear({ inputs: 2, outputs: 1 });
    expect(() =>
      linear.reference({ batchSize: 1, inputs: { x: [1, 2] }, parameters: { 'linear.weight': [1] } }),
    ).toThrow('expected 2 numbers for parameters.linear.weight but received [1]');
    const loss = kernels.softmaxCrossEntropy({ classes: 2 });
    expect(() => loss.reference({ batchSize: 1, inputs: { x: [0, 0] } })).toThrow('an Int32Array of [1] for labels');
    const slowness = kernels.slowness({ channels: 2, length: 3 });
    expect(() => slowness.reference({ batchSize: 1, inputs: { x: [1, 2] } })).toThrow('6 numbers for inputs.x');
    const embedding = kernels.embedding({ words: 3, channels: 1 });
    const parameters = { 'encoder.weight': [1, 2, 3] };
    expect(() => embedding.reference({ batchSize: 1, inputs: { x: [3] }, parameters })).toThrow(
      'integers from 0 and below 3 for inputs.x but received 3',
    );
  });
});
