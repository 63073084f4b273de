// All that passes of a graph come to, to be compared bit by bit.
import { expect } from 'vitest';
import type { CompileOptions, Device, Program } from '../../src/backend/device.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { expectSameBits } from './compare.ts';
import { directBatch, prepareGraph } from './kernel_case.ts';

/** {@link programNumbers} of a program of its own. */
export async function numbersOf(
  device: Device,
  graph: Graph,
  batchSize: number,
  options: Pick<CompileOptions, 'fusion' | 'precision'> = {},
): Promise<Map<string, Float32Array>> {
  const parameters = await device.createParameters(graph, { seed: 3 });
  return await programNumbers(device.compile(graph, { batchSize, parameters, ...options }));
}

/** All gradients of a pass for each target, what running statistics are after them, and the loss with these. */
export async function programNumbers(program: Program): Promise<Map<string, Float32Array>> {
  const { graph, batchSize, parameters } = program;
  const batch = directBatch(prepareGraph(graph, batchSize));
  const numbers = new Map<string, Float32Array>();
  for (const target of ['alpha', 'weights'] as const) {
    const names = parameters.names(target === 'alpha' ? 'alpha' : 'weight');
    if (names.length === 0) continue;
    const { loss } = await program.gradients({ batch, target });
    numbers.set(`loss for ${target}`, Float32Array.of(loss!));
    for (const name of names) numbers.set(name, (await parameters.gradient(name)).data);
  }
  for (const name of parameters.names('buffer')) numbers.set(name, (await parameters.get(name)).data);
  const { loss } = await program.evaluate({ batch, statistics: 'running' });
  numbers.set('loss with running statistics', Float32Array.of(loss!));
  return numbers;
}

/** Expects the same bits of all. */
export function expectSameNumbers(actual: Map<string, Float32Array>, expected: Map<string, Float32Array>): void {
  expect([...actual.keys()]).toEqual([...expected.keys()]);
  for (const [name, values] of expected) expectSameBits(actual.get(name)!, values, name);
}
