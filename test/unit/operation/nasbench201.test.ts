// The operations of NAS-Bench-201: parameters, shapes at both strides and at odd sizes, and what is behind an odd edge.
import { describe, expect, it } from 'vitest';
import { placeParameters } from '../../../src/backend/parameter_map.ts';
import { GraphBuilder } from '../../../src/graph/builder.ts';
import { nasbench201Operations } from '../../../src/operation/nasbench201.ts';
import { runReference } from '../../../src/reference/interpreter.ts';

const names = [
  ...['none', 'noise', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3', 'nor_conv_7x7', 'avg_pool_3x3', 'max_pool_3x3'],
  ...['dua_sepc_3x3', 'dua_sepc_5x5', 'dil_sepc_3x3', 'dil_sepc_5x5'],
];

function build(name: string, inputs: number, channels: number, stride: 1 | 2, size: readonly [number, number]) {
  const builder = new GraphBuilder();
  const input = builder.input('images', [...size, inputs]);
  const context = { layer: 'x', channels, stride, affine: false, normalisePooling: true };
  const output = nasbench201Operations[name](builder, input, context);
  return { builder, output };
}

describe('operations of NAS-Bench-201', () => {
  it('are those of the published table, and the noise of a subset', () => {
    expect(Object.keys(nasbench201Operations)).toEqual(names);
  });

  it.each(names.flatMap((name) => [1, 2].map((stride) => [name, stride as 1 | 2] as const)))(
    '%s at stride %i takes odd sizes',
    (name, stride) => {
      const { output } = build(name, 4, 4, stride, [7, 5]);
      expect(output.shape).toEqual([Math.ceil(7 / stride), Math.ceil(5 / stride), 4]);
    },
  );

  it.each([
    ['skip_connect', 1, 4, 4, []],
    ['skip_connect', 1, 4, 6, [[1, 1, 4, 6]]],
    [
      'skip_connect',
      2,
      4,
      5,
      [
        [1, 1, 4, 2],
        [1, 1, 4, 3],
      ],
    ],
    ['nor_conv_7x7', 2, 4, 6, [[7, 7, 4, 6]]],
    ['avg_pool_3x3', 2, 4, 4, []],
    [
      'dua_sepc_5x5',
      2,
      4,
      6,
      [
        [5, 5, 1, 4],
        [1, 1, 4, 4],
        [5, 5, 1, 4],
        [1, 1, 4, 6],
      ],
    ],
    [
      'dil_sepc_3x3',
      1,
      4,
      6,
      [
        [3, 3, 1, 4],
        [1, 1, 4, 6],
      ],
    ],
  ] as const)('%s at stride %i from %i to %i channels', (name, stride, inputs, channels, kernels) => {
    const { builder, output } = build(name, inputs, channels, stride, [8, 8]);
    const { parameters } = builder.finish(output);
    expect(output.shape[2]).toBe(channels);
    expect(parameters.filter(({ role }) => role === 'weight').map(({ shape }) => shape)).toEqual(kernels);
  });

  it('reduce an odd edge without losing its pixels, beyond which there are zeros', () => {
    const { builder, output } = build('skip_connect', 1, 2, 2, [3, 3]);
    const norm = output.id;
    const graph = builder.finish(builder.scale(output, 1));
    const map = placeParameters(graph);
    const parameters = new Map([...map.places].map(([name, { size }]) => [name, new Float64Array(size).fill(1)]));
    const images = Float64Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const { outputs } = runReference(graph, { batchSize: 1, training: false, parameters, inputs: { images } });
    const reduced = outputs[norm - 1];
    // By pixel: one of the first grid, one of the second.
    expect([...reduced]).toEqual([1, 5, 3, 0, 7, 0, 9, 0]);
  });
});
