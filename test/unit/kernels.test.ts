// The public './kernels' API on the native device, against the float64 interpreter.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import { AbortedError, ArgumentError } from '../../src/errors.ts';
import { type Kernel, type KernelOptions, openKernel } from '../../src/kernels.ts';
import { normal } from '../../src/random/philox.ts';
import { type ReferenceResult, runReference } from '../../src/reference/interpreter.ts';
import { errorGrowth, tolerance } from '../../src/reference/tolerance.ts';
import { expectClose, expectSameBits } from '../helpers/compare.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice({ threads: 2 });
});
afterAll(() => device.dispose());

/** Two inputs, a chain on each, and every kind of parameter. */
const chain: KernelOptions<'x' | 'y'> = {
  inputs: { x: [7, 5, 6], y: [7, 5, 4] },
  batchSize: 3,
  seed: 11,
  build: (builder, { x, y }) => {
    const wide = builder.conv2d('wide', builder.relu(x), { channels: 4, kernel: [1, 3], padding: [0, 1], groups: 2 });
    const sum = builder.add([builder.batchNorm('bn', wide, { affine: true }), y]);
    const row = { alpha: builder.alpha('alpha', [2], 0.5), row: 0, activation: 'sigmoid' } as const;
    const skip = { name: 'skip', build: (_: typeof builder, input: typeof sum) => input };
    const pool = {
      name: 'pool',
      build: (branch: typeof builder, input: typeof sum) => branch.avgPool(input, { kernel: 3, padding: 1 }),
    };
    return builder.maxPool(builder.mixed(sum, [skip, pool], row), { kernel: 2, stride: 2 });
  },
};

const draw = (length: number, step: number) =>
  Float32Array.from(normal({ seed: 7, purpose: 'weights', epoch: 0, step }, length));
const inputsOf = () => ({ x: draw(3 * 7 * 5 * 6, 0), y: draw(3 * 7 * 5 * 4, 1) });

/** What the interpreter makes of the kernel as it stands. */
async function referenceOf(kernel: Kernel<'x' | 'y'>, outputGradient: Float32Array): Promise<ReferenceResult> {
  const parameters = new Map<string, Float64Array>();
  for (const name of kernel.parameters.names()) {
    parameters.set(name, Float64Array.from((await kernel.parameters.get(name)).data));
  }
  const { x, y } = inputsOf();
  return runReference(kernel.graph, {
    batchSize: kernel.batchSize,
    parameters,
    inputs: { x: Float64Array.from(x), y: Float64Array.from(y) },
    training: true,
    outputGradient: Float64Array.from(outputGradient),
  });
}

describe('openKernel', () => {
  it('gives the output and every gradient of a chain', async () => {
    using kernel = await openKernel(device, chain);
    expect(kernel.outputShape).toEqual([3, 2, 4]);
    const outputGradient = draw(3 * 3 * 2 * 4, 2);
    const expected = await referenceOf(kernel, outputGradient);
    const growth = errorGrowth(kernel.graph, kernel.batchSize, expected);
    const close = (name: string, actual: Float32Array, values: Float64Array, direction: 'forward' | 'backward') =>
      expectClose(actual, values, { name, tolerance: tolerance(values, growth, direction) });

    const output = await kernel.forward(inputsOf());
    close('output', output, expected.outputs[kernel.graph.output], 'forward');
    const gradients = await kernel.backward(inputsOf(), outputGradient);
    expectSameBits(gradients.output, output, 'output of backward');
    expect(Object.keys(gradients.inputs).toSorted()).toEqual(['x', 'y']);
    for (const name of ['x', 'y'] as const) {
      close(`gradient of ${name}`, gradients.inputs[name], expected.inputGradients[name], 'backward');
    }
    expect(Object.keys(gradients.parameters)).toEqual(['wide.weight', 'bn.weight', 'bn.bias', 'alpha']);
    for (const [name, values] of Object.entries(gradients.parameters)) {
      close(`gradient of ${name}`, values, expected.gradients.get(name)!, 'backward');
    }
  });

  it('draws parameters from the seed, and takes others', async () => {
    using kernel = await openKernel(device, chain);
    using same = await openKernel(device, chain);
    using other = await openKernel(device, { ...chain, seed: 12 });
    const output = await kernel.forward(inputsOf());
    expectSameBits(await same.forward(inputsOf()), output, 'output');
    expect(await other.forward(inputsOf())).not.toEqual(output);
    await kernel.parameters.set(
      'wide.weight',
      new Float32Array((await kernel.parameters.get('wide.weight')).data.length),
    );
    const { x } = (await kernel.backward(inputsOf(), draw(72, 2))).inputs;
    expect(x.every((value) => value === 0)).toBe(true);
  });

  it('keeps gradients of passes that overlap apart', async () => {
    using kernel = await openKernel(device, chain);
    const [first, second] = [draw(72, 2), draw(72, 3)];
    const alone = [await kernel.backward(inputsOf(), first), await kernel.backward(inputsOf(), second)];
    const together = await Promise.all([kernel.backward(inputsOf(), first), kernel.backward(inputsOf(), second)]);
    expect(together).toEqual(alone);
  });

  it('runs a chain without parameters, and an input that nothing uses', async () => {
    using kernel = await openKernel(device, {
      inputs: { x: [5], unused: [2] },
      batchSize: 2,
      build: (builder, { x }) => builder.relu(x),
    });
    const inputs = { x: Float32Array.of(1, -2, 3, -4, 5, -6, 7, -8, 9, -10), unused: new Float32Array(4) };
    const { output, inputs: gradients, parameters } = await kernel.backward(inputs, new Float32Array(10).fill(2));
    expect([...output]).toEqual([1, 0, 3, 0, 5, 0, 7, 0, 9, 0]);
    expect([...gradients.x]).toEqual([2, 0, 2, 0, 2, 0, 2, 0, 2, 0]);
    expect([...gradients.unused]).toEqual([0, 0, 0, 0]);
    expect(parameters).toEqual({});
  });

  it('runs a loss on labels', async () => {
    using kernel = await openKernel(device, {
      inputs: { x: [2] },
      batchSize: 2,
      build: (builder, { x }) => builder.softmaxCrossEntropy(builder.linear('linear', x, 3)),
    });
    await kernel.parameters.set('linear.weight', new Float32Array(6));
    await kernel.parameters.set('linear.bias', new Float32Array(3));
    const [inputs, labels] = [{ x: Float32Array.of(1, 2, 3, 4) }, Int32Array.of(2, 0)];
    expect(kernel.outputShape).toEqual([]);
    const output = await kernel.forward(inputs, { labels });
    expect(output).toHaveLength(1);
    expect(output[0]).toBeCloseTo(Math.log(3), 6);
    const gradients = await kernel.backward(inputs, Float32Array.of(1), { labels });
    expectSameBits(gradients.output, output, 'output of backward');
    expect([...gradients.inputs.x]).toEqual([0, 0, 0, 0]);
    const bias = [-1 / 6, 1 / 3, -1 / 6];
    gradients.parameters['linear.bias'].forEach((value, i) => {
      expect(value).toBeCloseTo(bias[i], 6);
    });
    expect(await kernel.time('backward', inputs, { labels, runs: 2 })).toHaveLength(2);
    await expect(kernel.forward(inputs)).rejects.toThrow('an Int32Array of [2] for labels but received undefined');
    await expect(kernel.backward(inputs, Float32Array.of(2), { labels })).rejects.toThrow('of the one number 1');
  });

  it('times passes', async () => {
    using kernel = await openKernel(device, chain);
    for (const pass of ['forward', 'backward'] as const) {
      const millis = await kernel.time(pass, inputsOf(), { runs: 4, warmUp: 1 });
      expect(millis).toHaveLength(4);
      expect(millis.every((value) => value > 0)).toBe(true);
    }
  });

  it('refuses what does not fit, in one line', async () => {
    const refusal = (changes: Partial<KernelOptions<'x' | 'y'>>) => openKernel(device, { ...chain, ...changes });
    await expect(refusal({ batchSize: 0 })).rejects.toThrow(/an integer from 1 to 65536 for batchSize/);
    await expect(refusal({ seed: -1 })).rejects.toThrow(/for seed/);
    await expect(refusal({ inputs: { x: [0, 1, 1], y: [1] } })).rejects.toThrow(ArgumentError);
    await expect(refusal({ build: () => undefined as never })).rejects.toThrow(
      /a tensor of its builder for the output/,
    );

    using kernel = await openKernel(device, chain);
    const { x, y } = inputsOf();
    await expect(kernel.forward({ x, y: y.subarray(1) })).rejects.toThrow(
      'expected a Float32Array of [3,7,5,4] for inputs.y but received Float32Array of 1676 bytes',
    );
    await expect(kernel.forward({ x } as never)).rejects.toThrow('for inputs.y but received undefined');
    await expect(kernel.backward({ x, y }, new Float32Array(71))).rejects.toThrow('of [3,3,2,4] for outputGradient');
    await expect(kernel.time('forward', { x, y }, { runs: 0 })).rejects.toThrow(/for runs/);
    await expect(kernel.time('sideways' as 'forward', { x, y })).rejects.toThrow(/for pass/);
    await expect(kernel.forward({ x, y }, { signal: AbortSignal.abort() })).rejects.toThrow(AbortedError);
    await expect(kernel.time('backward', { x, y }, { signal: AbortSignal.abort() })).rejects.toThrow(AbortedError);
  });
});
