// What tables of single passes do not show of sequences: hidden states from batch to batch, what is refused, what is held.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Device, DirectBatch } from '../../src/backend/device.ts';
import { openTfjsDevice } from '../../src/backend/tfjs/device.ts';
import { openPlatform } from '../../src/backend/tfjs/platform.ts';
import { ArgumentError, BackendError } from '../../src/errors.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { gaussian } from '../helpers/kernel_case.ts';

const columns = 3;
const channels = 4;
const length = 6;

let device: Device;
beforeAll(async () => {
  device = await openTfjsDevice({ platform: 'wasm' });
});
afterAll(() => device.dispose());

function cellGraph(searched: boolean): Graph {
  const builder = new GraphBuilder();
  for (const name of ['before', 'after']) builder.state(name, columns, channels);
  const x = builder.input('x', [channels]);
  const edges = [
    { activation: 'tanh', from: 0 },
    { activation: 'relu', from: 1 },
  ] as const;
  const alpha = searched ? builder.alpha('alphas', [5, 5, 5]) : undefined;
  return builder.finish(builder.recurrentCell('cell', x, alpha === undefined ? { edges } : { nodes: 2, alpha }));
}

const values = Float32Array.from(gaussian(length * columns * channels, 3));
const batchOf = (first: number, times: number, hidden?: DirectBatch['hidden']): DirectBatch => ({
  inputs: { x: values.slice(first * columns * channels, (first + times) * columns * channels) },
  ...(hidden && { hidden }),
});

it('goes on from the hidden state that an earlier batch has left, whatever their lengths', async () => {
  const graph = cellGraph(false);
  using parameters = await device.createParameters(graph, { seed: 4 });
  using program = device.compile(graph, { batchSize: columns, length, parameters });
  const outputs = async (batch: DirectBatch) =>
    (await program.evaluate({ batch, statistics: 'running', read: [graph.output] })).outputs!.get(graph.output)!;
  const whole = await outputs(batchOf(0, length));
  const parts = [
    await outputs(batchOf(0, 2, { to: 'after' })),
    await outputs(batchOf(2, 1, { from: 'after', to: 'after' })),
    await outputs(batchOf(3, 3, { from: 'after', to: 'before' })),
  ];
  const joined = parts.flatMap((part) => [...part]);
  expect(joined).toHaveLength(whole.length);
  joined.forEach((value, i) => {
    expect(value).toBeCloseTo(whole[i], 6);
  });
  expect((await parameters.get('before')).data).toEqual(parts[2].slice(-columns * channels));
  expect((await parameters.get('after')).data).toEqual(parts[1]);
  // Without one, a batch begins at zeros and leaves nothing.
  expect(await outputs(batchOf(0, length))).toEqual(whole);
  expect((await parameters.get('after')).data).toEqual(parts[1]);
});

it('refuses the batch statistics of one column, and takes running ones', async () => {
  const builder = new GraphBuilder();
  const alpha = builder.alpha('alphas', [5]);
  const x = builder.input('x', [channels]);
  const graph = builder.finish(builder.recurrentCell('cell', x, { nodes: 1, alpha }));
  using parameters = await device.createParameters(graph, { seed: 4 });
  using program = device.compile(graph, { batchSize: 1, length: 2, parameters });
  const batch = { inputs: { x: values.slice(0, 2 * channels) } };
  for (const statistics of ['batch', 'moving'] as const) {
    const run = program.evaluate({ batch, statistics });
    await expect(run).rejects.toThrow(BackendError);
    await expect(run).rejects.toThrow('expected at least 2 columns for the statistics of a batch');
  }
  await program.evaluate({ batch, statistics: 'running' });
});

it.each([
  ['no time', 0],
  ['a part of a time', columns * channels + channels],
  ['more than the longest', (length + 1) * columns * channels],
])('refuses %s', async (_, elements) => {
  const graph = cellGraph(false);
  using parameters = await device.createParameters(graph, { seed: 4 });
  using program = device.compile(graph, { batchSize: columns, length, parameters });
  const run = program.evaluate({ batch: { inputs: { x: new Float32Array(elements) } }, statistics: 'running' });
  await expect(run).rejects.toThrow(ArgumentError);
  await expect(run).rejects.toThrow(`1 to ${length} times of ${columns} columns`);
});

it('holds no tensor when a pass is over', async () => {
  const { tf } = await openPlatform('wasm');
  const graph = cellGraph(true);
  using parameters = await device.createParameters(graph, { seed: 4 });
  using program = device.compile(graph, { batchSize: columns, length, parameters });
  const pass = () =>
    program.vjp({
      batch: batchOf(0, length, { from: 'before', to: 'after' }),
      outputGradient: new Float32Array(length * columns * channels).fill(1),
    });
  await pass();
  const { numTensors } = tf.memory();
  await pass();
  expect(tf.memory().numTensors).toBe(numTensors);
});
