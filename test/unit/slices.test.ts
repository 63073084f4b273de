import { describe, expect, it } from 'vitest';
import { initialValueSteps, initialValues } from '../../src/backend/initial_values.ts';
import { placeParameters } from '../../src/backend/parameter_map.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { fromTorch, toTorch } from '../../src/io/layout.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/io/safetensors.ts';
import { normal, uniform } from '../../src/random/philox.ts';
import { atOnce, inSlices, type Steps, stepElements } from '../../src/slices.ts';

function* counting(steps: number, seen: number[]): Steps<string> {
  for (let i = 0; i < steps; i++) {
    seen.push(i);
    const end = performance.now() + 0.5;
    while (performance.now() < end);
    yield;
  }
  return 'done';
}

/** How often a generator rests. */
function restsOf(steps: Steps<unknown>): number {
  let rests = 0;
  while (!steps.next().done) rests++;
  return rests;
}

describe('work in slices', () => {
  it('gives what it gives at once, and lets the event loop turn', async () => {
    const [whole, sliced]: number[][] = [[], []];
    expect(atOnce(counting(20, whole))).toBe('done');
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    expect(await inSlices(counting(20, sliced))).toBe('done');
    clearInterval(timer);
    expect(sliced).toEqual(whole);
    expect(turns).toBeGreaterThan(0);
  });

  it('passes errors on', async () => {
    // biome-ignore lint/correctness/useYield: it ends before
    function* failing(): Steps<void> {
      throw new Error('midway');
    }
    await expect(inSlices(failing())).rejects.toThrow('midway');
    expect(() => atOnce(failing())).toThrow('midway');
  });
});

describe('numbers do not depend on the pieces', () => {
  const stream = { seed: 4, purpose: 'weights', epoch: 0, step: 1 } as const;

  it.each([0, 4, 16, 64])('drawn from the %i-th on', (first) => {
    expect(uniform(stream, 10, first)).toEqual(uniform(stream, 100).slice(first, first + 10));
    expect(normal(stream, 10, first)).toEqual(normal(stream, 100).slice(first, first + 10));
  });

  it('first values of parameters larger than a piece', () => {
    const builder = new GraphBuilder();
    builder.alpha('alphas', [3]);
    const vector = builder.input('v', [100]);
    const graph = builder.finish(builder.linear('wide', vector, 400));
    const map = placeParameters(graph);
    const values = initialValues(map, 'weight', 9);
    const size = 100 * 400;
    expect(size).toBeGreaterThan(2 * stepElements);
    expect(restsOf(initialValueSteps(map, 'weight', 9))).toBeGreaterThan(2);
    const drawn = uniform({ seed: 9, purpose: 'weights', epoch: 0, step: 1 }, size);
    const bound = 1 / Math.sqrt(100);
    expect(values.subarray(0, size)).toEqual(Float32Array.from(drawn, (u) => (2 * u - 1) * bound));
  });

  it('layouts of weights larger than a piece', () => {
    const shape = [3, 3, 70, 40];
    const native = Float32Array.from({ length: 3 * 3 * 70 * 40 }, (_, i) => i);
    const torch = toTorch('conv', shape, native);
    for (const [o, i, y, x] of [
      [0, 0, 0, 0],
      [39, 69, 2, 2],
      [17, 33, 1, 2],
    ]) {
      expect(torch[((o * 70 + i) * 3 + y) * 3 + x]).toBe(native[((y * 3 + x) * 70 + i) * 40 + o]);
    }
    const back = new Float32Array(native.length);
    fromTorch('conv', shape, torch, back);
    expect(back).toEqual(native);
  });

  it.each([0, 1, 127, 128, 129, 256, 400])('headers of %i tensors', (count) => {
    const notes: Readonly<Record<string, string>> = { epoch: '3', note: 'ünïcode "quoted"' };
    for (const metadata of [{}, notes]) {
      const tensors = new Map(
        Array.from({ length: count }, (_, i) => [`cells.${i}."wéight"`, { shape: [1], data: Float32Array.of(i) }]),
      );
      const bytes = encodeSafetensors(tensors, metadata);
      const entries = [...tensors.keys()].map((name, i) => {
        return [name, { dtype: 'F32', shape: [1], data_offsets: [4 * i, 4 * i + 4] }];
      });
      const header = Object.keys(metadata).length > 0 ? [['__metadata__', metadata], ...entries] : entries;
      const json = JSON.stringify(Object.fromEntries(header));
      const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
      expect(new TextDecoder().decode(bytes.subarray(8, 8 + length)).trimEnd()).toBe(json);
      expect(length % 8).toBe(0);
      expect(decodeSafetensors(bytes, 'x').tensors.size).toBe(count);
    }
  });
});
