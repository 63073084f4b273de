import type { Initialiser, ParameterSpec } from '../graph/graph.ts';
import { normal, type Purpose, type StreamKey, uniform } from '../random/philox.ts';
import { atOnce, type Steps, stepElements } from '../slices.ts';
import type { ParameterMap } from './parameter_map.ts';

/** The first values of an arena: each parameter's initialiser, drawn from the stream of its position in the graph. */
export function initialValues(map: ParameterMap, role: ParameterSpec['role'], seed: number): Float32Array {
  return atOnce(initialValueSteps(map, role, seed));
}

/** {@link initialValues} as work that may rest: a large network's takes a third of a second. */
export function* initialValueSteps(map: ParameterMap, role: ParameterSpec['role'], seed: number): Steps<Float32Array> {
  const values = new Float32Array(map.totals[role]);
  for (const block of initialBlocks(map, role, seed)) {
    if (block === undefined) yield;
    else values.set(block.values, block.offset);
  }
  return values;
}

/** Values of an arena from a place on; they stand there until the next block is asked for. */
export interface InitialBlock {
  readonly offset: number;
  readonly values: Float32Array;
}

/** A few of the steps that draw them, many times less than a large network's arena. */
const blockElements = stepElements << 5;

/**
 * {@link initialValues} block by block, all in the same memory, so that nothing ever holds them all; undefined wherever the work may
 * rest. What no block holds is 0.
 */
export function* initialBlocks(
  map: ParameterMap,
  role: ParameterSpec['role'],
  seed: number,
): Generator<InitialBlock | undefined, void, undefined> {
  const purpose: Purpose = role === 'alpha' ? 'architecture' : 'weights';
  const block = new Float32Array(Math.min(blockElements, map.totals[role]));
  let begin = 0;
  let filled = 0;
  let position = 0;
  for (const { spec, offset, size } of map.places.values()) {
    const stream = { seed, purpose, epoch: 0, step: position++ };
    if (spec.role !== role) continue;
    for (let first = 0; first < size; first += stepElements) {
      const count = Math.min(stepElements, size - first);
      const start = offset + first;
      if (start < begin || start + count > begin + block.length) {
        if (filled > 0) yield { offset: begin, values: block.subarray(0, filled) };
        begin = start;
        block.fill(0);
      }
      filled = start + count - begin;
      draw(spec.initialiser, stream, first, block.subarray(start - begin, filled));
      yield;
    }
  }
  if (filled > 0) yield { offset: begin, values: block.subarray(0, filled) };
}

/** Values from the `first` of a stream on; a multiple of four, as many as come from a block. */
function draw(initialiser: Initialiser, stream: StreamKey, first: number, target: Float32Array): void {
  if (initialiser.kind === 'constant') {
    target.fill(initialiser.value);
  } else if (initialiser.kind === 'uniform') {
    const { bound, least } = initialiser;
    const value = (u: number) => (least === undefined ? (2 * u - 1) * bound : least + u * (bound - least));
    target.set(uniform(stream, target.length, first).map(value));
  } else {
    target.set(normal(stream, target.length, first).map((x) => x * initialiser.deviation));
  }
}
