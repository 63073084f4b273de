import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/graph/builder.ts';
import type { OperationContext } from '../../../src/operation/operations.ts';
import { applyOperation, factorizedReduce, operations, reluConvBn } from '../../../src/operation/operations.ts';

const supernet: OperationContext = { layer: 'here', channels: 6, stride: 1, affine: false, normalisePooling: true };
const derived: OperationContext = { ...supernet, affine: true, normalisePooling: false };

function build(name: string, context: OperationContext, size: readonly [number, number] = [8, 10]) {
  const builder = new GraphBuilder();
  const input = builder.input('x', [...size, 6]);
  const output = applyOperation({ name, build: operations[name] }, builder, input, context);
  const { nodes, parameters } = builder.finish(output);
  return { output, nodes: nodes.slice(1), names: parameters.map(({ name }) => name) };
}

describe('operations', () => {
  it('has those of DARTS and of the published cells', () => {
    expect(Object.keys(operations)).toEqual([
      'none',
      'max_pool_3x3',
      'avg_pool_3x3',
      'skip_connect',
      'sep_conv_3x3',
      'sep_conv_5x5',
      'sep_conv_7x7',
      'dil_conv_3x3',
      'dil_conv_5x5',
      'conv_7x1_1x7',
      'noise',
    ]);
  });

  it('noise is normal numbers on zeros of the output shape, in every pass, without parameters', () => {
    const { nodes, names } = build('noise', { ...supernet, stride: 2 });
    expect(nodes).toMatchObject([
      { op: 'zero', shape: [4, 5, 6] },
      { op: 'noise', distribution: 'normal', always: true },
    ]);
    expect(names).toEqual([]);
  });

  it.each(Object.keys(operations))('%s keeps the size at stride 1 and halves it at stride 2', (name) => {
    expect(build(name, supernet).output.shape).toEqual([8, 10, 6]);
    expect(build(name, { ...derived, stride: 2 }).output.shape).toEqual([4, 5, 6]);
  });

  it.each(Object.keys(operations).filter((name) => name !== 'skip_connect'))('%s rounds odd sizes up', (name) => {
    expect(build(name, { ...supernet, stride: 2 }, [7, 5]).output.shape).toEqual([4, 3, 6]);
  });

  it('sep_conv is twice ReLU, depthwise, pointwise, batch norm, the first with the stride', () => {
    const { nodes, names } = build('sep_conv_5x5', { ...supernet, stride: 2 });
    expect(nodes.map(({ op }) => op)).toEqual([
      'relu',
      'conv2d',
      'conv2d',
      'batchNorm',
      'relu',
      'conv2d',
      'conv2d',
      'batchNorm',
    ]);
    expect(nodes[1]).toMatchObject({ kernel: [5, 5], stride: [2, 2], padding: [2, 2], dilation: [1, 1], groups: 6 });
    expect(nodes[2]).toMatchObject({ kernel: [1, 1], groups: 1 });
    expect(nodes[5]).toMatchObject({ kernel: [5, 5], stride: [1, 1], groups: 6 });
    expect(names).toEqual([
      'op.1.weight',
      'op.2.weight',
      'op.3.running_mean',
      'op.3.running_var',
      'op.5.weight',
      'op.6.weight',
      'op.7.running_mean',
      'op.7.running_var',
    ]);
  });

  it('dil_conv has dilation 2 and keeps the size', () => {
    const { nodes, names } = build('dil_conv_5x5', derived);
    expect(nodes[1]).toMatchObject({ kernel: [5, 5], padding: [4, 4], dilation: [2, 2], groups: 6 });
    expect(names).toContain('op.3.weight');
  });

  it('poolings are normalised in the supernet only, and padding is not counted', () => {
    expect(build('avg_pool_3x3', supernet).names).toEqual(['1.running_mean', '1.running_var']);
    expect(build('avg_pool_3x3', derived).names).toEqual([]);
    expect(build('avg_pool_3x3', derived).nodes[0]).toMatchObject({ countIncludePad: false, padding: [1, 1] });
  });

  it('conv_7x1_1x7 strides each axis once', () => {
    const { nodes, names } = build('conv_7x1_1x7', { ...derived, stride: 2 });
    expect(nodes[1]).toMatchObject({ kernel: [1, 7], stride: [1, 2], padding: [0, 3], groups: 1 });
    expect(nodes[2]).toMatchObject({ kernel: [7, 1], stride: [2, 1], padding: [3, 0] });
    expect(names).toEqual(['1.weight', '2.weight', '3.weight', '3.bias', '3.running_mean', '3.running_var']);
  });

  it('skip_connect is the input itself, or a factorized reduce', () => {
    expect(build('skip_connect', supernet).nodes).toEqual([]);
    expect(build('skip_connect', { ...supernet, stride: 2 }).names.slice(0, 2)).toEqual([
      'conv_1.weight',
      'conv_2.weight',
    ]);
  });
});

describe('factorizedReduce', () => {
  const builder = new GraphBuilder();

  it('refuses odd sizes and channels, naming the layer', () => {
    const make = { layer: 'cells.6.preprocess0', channels: 4, affine: true };
    const odd = builder.input('odd', [8, 7, 3]);
    expect(() => factorizedReduce(builder, odd, make)).toThrow(
      'cells.6.preprocess0: factorized reduce expected an even height and width but got 8x7',
    );
    // What a program branches on.
    expect(() => factorizedReduce(builder, odd, make)).toThrow(
      expect.objectContaining({ name: 'ArgumentError', code: 'ARGUMENT' }),
    );
    const even = builder.input('even', [8, 8, 3]);
    expect(() => factorizedReduce(builder, even, { ...make, channels: 5 })).toThrow(/cells.6.preprocess0.*5/);
  });

  it('takes the second half one pixel further', () => {
    const input = builder.input('x', [6, 8, 3]);
    const output = factorizedReduce(builder.within('f'), input, { layer: 'f', channels: 4, affine: false });
    expect(output.shape).toEqual([3, 4, 4]);
    expect(builder.finish(output).nodes.find(({ op }) => op === 'crop')).toMatchObject({ top: 1, left: 1 });
  });
});

describe('reluConvBn', () => {
  it('maps channels', () => {
    const builder = new GraphBuilder();
    const output = reluConvBn(builder, builder.input('x', [4, 4, 3]), { channels: 5, affine: true });
    expect(output.shape).toEqual([4, 4, 5]);
    expect(
      builder
        .finish(output)
        .parameters.map(({ name }) => name)
        .slice(0, 2),
    ).toEqual(['op.1.weight', 'op.2.weight']);
  });
});

describe('applyOperation', () => {
  it('refuses an operation of the wrong shape, naming it', () => {
    const builder = new GraphBuilder();
    const input = builder.input('x', [4, 4, 6]);
    const wide = { name: 'wide', build: () => builder.concat([input, input]) };
    expect(() => applyOperation(wide, builder, input, supernet)).toThrow(
      'here: expected operation wide to give shape [4,4,6] at stride 1 but got [4,4,12]',
    );
    const nothing = { name: 'nothing', build: () => undefined as never };
    expect(() => applyOperation(nothing, builder, input, supernet)).toThrow(/nothing.*no tensor/);
  });
});
