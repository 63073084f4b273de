import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { runReference } from '../../src/reference/interpreter.ts';
import * as reference from '../../src/reference/primitives.ts';
import { prepareCase, prepareGraph, referenceOf } from '../helpers/kernel_case.ts';
import { checkGradients, describeGradients } from '../helpers/reference_gradients.ts';
import { tinySupernet } from '../helpers/tiny_supernet.ts';
import { caseTables } from '../kernels/cases.ts';

const array = (...values: number[]) => Float64Array.from(values);
const image = (height: number, width: number, channels = 1, batch = 1) => ({ batch, height, width, channels });
const square = (kernel: number, stride = 1, padding = 0) =>
  ({ kernel: [kernel, kernel], stride: [stride, stride], padding: [padding, padding] }) as const;

function expectArray(actual: Float64Array | undefined, expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  expected.forEach((value, i) => {
    expect(actual?.[i]).toBeCloseTo(value, 10);
  });
}

describe('reference values worked out by hand', () => {
  it('conv2d with padding and stride', () => {
    const convolution = { ...square(2, 2, 1), groups: 1, outputChannels: 1 };
    const y = reference.conv2d(array(1, 2, 3, 4, 5, 6), image(2, 3), array(1, 10, 100, 1000), convolution);
    expectArray(y, [1000, 3200, 40, 65]);
  });

  it('conv2d with groups keeps them apart', () => {
    const convolution = { ...square(1), groups: 2, outputChannels: 4 };
    const y = reference.conv2d(array(1, 10), image(1, 1, 2), array(1, 2, 3, 4), convolution);
    expectArray(y, [1, 2, 30, 40]);
  });

  it('conv2d with dilation skips pixels', () => {
    const window = { kernel: [1, 2], stride: [1, 1], padding: [0, 0], dilation: [1, 2] } as const;
    const y = reference.conv2d(array(1, 2, 3, 4), image(1, 4), array(1, 10), {
      ...window,
      groups: 1,
      outputChannels: 1,
    });
    expectArray(y, [31, 42]);
  });

  it('batch statistics are biased and running ones unbiased', () => {
    const statistics = reference.batchStatistics(array(1, 10, 3, 10, 5, 16), 2);
    expectArray(statistics.mean, [3, 12]);
    expectArray(statistics.variance, [8 / 3, 8]);
    const running = { mean: array(0, 1), variance: array(1, 2), count: 0 };
    const moved = reference.runningStatistics(running, statistics, 0.1);
    expectArray(moved.mean, [0.3, 2.1]);
    expectArray(moved.variance, [1.3, 3]);
  });

  it('normalise and affine', () => {
    const statistics = { mean: array(1, 2), variance: array(3, 8), count: 0 };
    const normalised = reference.normalise(array(3, 5), statistics, 1);
    expectArray(normalised, [1, 1]);
    expectArray(reference.affine(normalised, 2, array(2, 3), array(-1, 0.5)), [1, 3.5]);
  });

  it('maxPool gives the gradient to the first of equal elements and ignores padding', () => {
    const x = array(-1, -1, -1, -2);
    const { output, winners } = reference.maxPool(x, image(2, 2), square(2, 1, 1));
    expectArray(output, [-1, -1, -1, -1, -1, -1, -1, -1, -2]);
    expect([...winners]).toEqual([0, 0, 1, 0, 0, 1, 2, 2, 3]);
    expectArray(reference.maxPoolBackward(4, winners, array(1, 2, 3, 4, 5, 6, 7, 8, 9)), [12, 9, 15, 9]);
  });

  it('relu has no gradient at zero', () => {
    expectArray(reference.relu(array(-1, 0, 2)), [0, 0, 2]);
    expectArray(reference.reluBackward(array(-1, 0, 2), array(5, 6, 7)), [0, 0, 7]);
  });

  it('avgPool divides by the pixels within the image or by the whole window', () => {
    const x = array(4, 8, 12, 16);
    expectArray(reference.avgPool(x, image(2, 2), square(3, 2, 1), false), [10]);
    expectArray(reference.avgPool(x, image(2, 2), square(3, 2, 1), true), [40 / 9]);
  });

  it('globalAvgPool, linear, concat, crop', () => {
    expectArray(reference.globalAvgPool(array(1, 10, 3, 30, 5, 50, 7, 70), image(1, 2, 2, 2)), [2, 20, 6, 60]);
    expectArray(reference.linear(array(1, 2), array(1, 2, 3, 10, 20, 30), array(100, 200, 300)), [121, 242, 363]);
    expectArray(reference.concat([array(1, 2), array(3, 4, 5, 6)], [1, 2]), [1, 3, 4, 2, 5, 6]);
    expectArray(reference.crop(array(1, 2, 3, 4, 5, 6), image(2, 3), 1, 1), [5, 6]);
  });

  it('mixing weights', () => {
    expectArray(reference.mixingWeights(array(0, Math.log(3)), 'softmax'), [0.25, 0.75]);
    expectArray(reference.mixingWeights(array(0, Math.log(3)), 'sigmoid'), [0.5, 0.75]);
  });

  it('distillation: a fair coin against one of three to one, both ways', () => {
    const [fair, biased] = [array(0, 0), array(Math.log(3), 0)];
    const forwards = reference.distillation(fair, biased, 2, 1);
    expect(forwards.loss).toBeCloseTo(0.75 * Math.log(1.5) + 0.25 * Math.log(0.5), 12);
    expectArray(forwards.gradients[0], [-0.25, 0.25]);
    const backwards = reference.distillation(biased, fair, 2, 1);
    expect(backwards.loss).toBeCloseTo(0.5 * Math.log(2 / 3) + 0.5 * Math.log(2), 12);
    // A temperature of 2 takes the root of the odds; a batch of two halves each sample's share.
    const warm = reference.distillation(array(0, 0, 0, 0), array(Math.log(9), 0, 0, 0), 2, 2);
    expect(warm.loss).toBeCloseTo(forwards.loss / 2, 12);
    expectArray(warm.gradients[0], [-0.0625, 0.0625, 0, 0]);
  });

  it('smoothL1', () => {
    const { loss, gradients } = reference.smoothL1(array(1, 2, 5, 0), array(0.5, 2, 2, 3));
    expect(loss).toBeCloseTo((0.125 + 0 + 2.5 + 2.5) / 4, 12);
    expectArray(gradients[0], [0.125, 0, 0.25, -0.25]);
    expectArray(gradients[1], [-0.125, 0, -0.25, 0.25]);
  });

  it('meanSquaredError', () => {
    const { loss, gradients } = reference.meanSquaredError(array(1, 2, 5, 0), array(0, 2, 2, 1));
    expect(loss).toBeCloseTo((1 + 0 + 9 + 1) / 4, 12);
    expectArray(gradients[0], [0.5, 0, 1.5, -0.5]);
    expectArray(gradients[1], [-0.5, 0, -1.5, 0.5]);
  });

  it('cosineDistance', () => {
    // Alike but in length, at right angles, and of lengths too small to count.
    const first = array(3, 4, 1, 0, 1e-4, 0);
    const { loss, gradients } = reference.cosineDistance(first, array(6, 8, 0, 2, 1e-3, 0), 2);
    expect(loss).toBeCloseTo((0 + 1 + (1 - 1e-7 / 1e-6)) / 3, 12);
    expectArray(gradients[0], [0, 0, 0, -1 / 3, -1e-3 / 1e-6 / 3, 0]);
    expectArray(gradients[1], [0, 0, -1 / 2 / 3, 0, -1e-4 / 1e-6 / 3, 0]);
  });

  it('softmaxScale', () => {
    const builder = new GraphBuilder();
    const own = { count: 2, index: 1 };
    const graph = builder.finish(builder.softmaxScale('ensemble', builder.input('x', [2]), own));
    const { outputs, gradients, inputGradients } = runReference(graph, {
      batchSize: 1,
      parameters: new Map([['ensemble', array(0, Math.log(3))]]),
      inputs: { x: array(2, -4) },
      training: true,
      outputGradient: array(1, 1),
    });
    expectArray(outputs[graph.output], [1.5, -3]);
    expectArray(inputGradients['x'], [0.75, 0.75]);
    // 3/4·(1 - 3/4) times what the outputs' gradient is along the input, -2.
    expectArray(gradients.get('ensemble')!, [0.375, -0.375]);
  });

  it('detach lets its input through, and no gradient', () => {
    const prepared = prepareCase(caseTables.detach[1]);
    const { outputs, inputGradients } = referenceOf(prepared);
    expect(outputs[prepared.graph.output]).toEqual(prepared.inputs['x']);
    expect(inputGradients['x'].every((slope) => slope === 0)).toBe(true);
    const beside = prepareCase(caseTables.detach[0]);
    expect(referenceOf(beside).inputGradients['x']).toEqual(beside.outputGradient);
  });

  it('softmaxCrossEntropy', () => {
    const logits = array(0, Math.log(3), 1000, 0);
    const { loss, correct, gradient } = reference.softmaxCrossEntropy(logits, Int32Array.of(0, 0));
    expect(loss).toBeCloseTo(Math.log(4) / 2, 10);
    expect(correct).toBe(1);
    expectArray(gradient, [-0.375, 0.375, 0, 0]);
  });
});

describeGradients('small');

describe('interpreter', () => {
  it('differentiates a supernet', () => {
    checkGradients(prepareGraph(tinySupernet(), 3));
  });

  it('normalises with the running statistics and leaves them alone outside training', () => {
    const prepared = prepareCase(caseTables.batchNorm[0]);
    const { outputs, buffers } = runReference(prepared.graph, { ...prepared, training: false });
    const value = (name: string) => prepared.parameters.get(`bn.${name}`)?.[0] ?? Number.NaN;
    const deviation = Math.sqrt(value('running_var') + 1e-5);
    const expected = ((prepared.inputs['x'][0] - value('running_mean')) / deviation) * value('weight') + value('bias');
    expect(outputs[prepared.graph.output][0]).toBeCloseTo(expected, 12);
    expect(buffers.get('bn.running_mean')?.[0]).toBe(value('running_mean'));
  });

  it('leaves out branches of weight zero, their gradients and their statistics', () => {
    const name = 'candidates skipped by zero weight';
    const kernelCase = caseTables.mixed.find((candidate) => candidate.name.endsWith(name));
    if (kernelCase === undefined) throw new Error(`no case ${name}`);
    const prepared = prepareCase(kernelCase);
    const { gradients, buffers } = referenceOf(prepared);
    expect(gradients.get('alphas')?.[5]).toBe(0);
    expect(gradients.get('alphas')?.[4]).not.toBe(0);
    expect(gradients.get('_ops.5.pointwise.weight')?.every((slope) => slope === 0)).toBe(true);
    expect(buffers.get('_ops.1.bn.running_mean')).toEqual(prepared.parameters.get('_ops.1.bn.running_mean'));
    expect(buffers.get('_ops.2.bn.running_mean')).not.toEqual(prepared.parameters.get('_ops.2.bn.running_mean'));
  });
});
