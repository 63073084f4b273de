// What the float64 reference makes of words and sequences, worked out by hand. PyTorch's word on whole models: test/torch.
import { describe, expect, it } from 'vitest';
import { GraphBuilder, type Tensor } from '../../src/graph/builder.ts';
import { type ReferenceOptions, type ReferenceResult, runReference } from '../../src/reference/interpreter.ts';
import * as sequences from '../../src/reference/sequences.ts';

const array = (...values: number[]) => Float64Array.from(values);
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const draw = { seed: 3, epoch: 1, step: 2 };

function expectArray(actual: ArrayLike<number> | undefined, expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  expected.forEach((value, i) => {
    expect(actual?.[i]).toBeCloseTo(value, 12);
  });
}

/** One pass of what is built on the input `x` [1]. */
function run(
  build: (builder: GraphBuilder, x: Tensor) => Tensor,
  parameters: Readonly<Record<string, readonly number[]>>,
  options: Partial<ReferenceOptions> & { x: readonly number[]; columns: number },
): ReferenceResult {
  const builder = new GraphBuilder();
  const graph = builder.finish(build(builder, builder.input('x', [1])));
  const { x, ...rest } = options;
  return runReference(graph, {
    ...{ batchSize: x.length, inputs: { x: array(...x) }, training: true },
    parameters: new Map(Object.entries(parameters).map(([name, values]) => [name, array(...values)])),
    ...rest,
  });
}

describe('words', () => {
  it('embedding: rows by number, times the mask of the row, whose gradients add up', () => {
    const [words, table, mask] = [array(2, 0, 2), array(1, 2, 3, 4, 5, 6), array(2, 0, 0.5)];
    expectArray(sequences.embedding(words, table, 2, undefined), [5, 6, 1, 2, 5, 6]);
    expectArray(sequences.embedding(words, table, 2, mask), [2.5, 3, 2, 4, 2.5, 3]);
    const dy = array(1, 10, 100, 1000, 2, 20);
    expectArray(sequences.embeddingBackward(words, 6, 2, mask, dy), [200, 2000, 0, 0, 1.5, 15]);
  });

  it('tiedLinear: products with the rows of the table', () => {
    const [x, table] = [array(1, 2, 3, 4), array(1, 0, 0, 1, 10, 100)];
    expectArray(sequences.tiedLinear(x, table, array(0, 0.5, 1)), [1, 2.5, 211, 3, 4.5, 431]);
    const { input, weight, bias } = sequences.tiedLinearBackward(x, table, 3, array(1, 0, 0, 0, 0, 2));
    expectArray(input, [1, 0, 20, 200]);
    expectArray(weight, [1, 2, 0, 0, 6, 8]);
    expectArray(bias, [1, 0, 2]);
  });
});

describe('losses of sequences', () => {
  it('meanSquare', () => {
    const { loss, gradient } = sequences.meanSquare(array(1, -2, 3, 0));
    expect(loss).toBe(14 / 4);
    expectArray(gradient, [0.5, -1, 1.5, 0]);
  });

  it('slowness: between a column and itself a time later', () => {
    // Two columns, three times.
    const { loss, gradient } = sequences.slowness(array(1, 10, 2, 10, 4, 13), 2);
    expect(loss).toBe((1 + 0 + 4 + 9) / 4);
    expectArray(gradient, [-0.5, 0, -0.5, -1.5, 1, 1.5]);
    expect(sequences.slowness(array(1, 10), 2)).toEqual({ loss: 0, gradient: array(0, 0) });
  });
});

describe('masks', () => {
  const mask = { name: 'i', rate: 0.25, number: 7 };

  it('are those of dropout that draws from the same stream, at all times alike', () => {
    const columns = 6;
    const ones = Array.from({ length: 3 * columns }, () => 1);
    const both = run((builder, x) => builder.variationalDropout('i', x, 0.25), {}, { x: ones, columns, dropout: draw });
    const [, once] = run(
      (builder, x) => builder.dropout(x, { rate: 0.25 }),
      {},
      {
        ...{ x: ones.slice(0, columns), columns, dropout: draw },
      },
    ).outputs;
    expectArray(both.outputs[1], [...once, ...once, ...once]);
    expect(new Set(once)).toEqual(new Set([0, 1 / 0.75]));
  });

  it('are given, drawn or absent', () => {
    const given = { ...draw, masks: { i: Float32Array.of(3, 0.5) } };
    expectArray(sequences.sequenceMask(mask, 2, given), [3, 0.5]);
    expectArray(sequences.sequenceMask(mask, 2, { ...given, drops: false }), [3, 0.5]);
    expect(sequences.sequenceMask(mask, 2, { ...draw, drops: false })).toBeUndefined();
    expect(sequences.sequenceMask(mask, 2, undefined)).toBeUndefined();
    expect(sequences.sequenceMask(mask, 200, draw)!.filter((value) => value === 0).length).toBeGreaterThan(20);
  });
});

describe('recurrentCell', () => {
  // Columns of the gate before those of the candidate, rows of x before those of h.
  const first = [0.3, 0.7, -0.2, 0.5];
  const [own, other] = [
    [0.4, -0.6],
    [-0.8, 0.9],
  ];
  const state = (x: number, h: number, masks = [1, 1]) => {
    const [mx, mh] = [x * masks[0], h * masks[1]];
    return h + sigmoid(0.3 * mx - 0.2 * mh) * (Math.tanh(0.7 * mx + 0.5 * mh) - h);
  };
  const along = (s: number, [gate, candidate]: readonly number[], f: (x: number) => number, mask = 1) =>
    s + sigmoid(gate * s * mask) * (f(candidate * s * mask) - s);

  it('goes along its edges, and on from the mean of its outputs', () => {
    const edges = [
      { activation: 'sigmoid', from: 0 },
      { activation: 'identity', from: 0 },
    ] as const;
    const { outputs, hidden } = run(
      (builder, x) => builder.recurrentCell('cell', x, { edges }),
      { 'cell._W0': first, 'cell._Ws.0': own, 'cell._Ws.1': other },
      { x: [0.5, -1], columns: 1, hidden: array(0.25) },
    );
    const step = (x: number, h: number) => {
      const s = state(x, h);
      return (along(s, own, sigmoid) + along(s, other, (value) => value)) / 2;
    };
    const once = step(0.5, 0.25);
    expectArray(outputs[1], [once, step(-1, once)]);
    expectArray(hidden, [step(-1, once)]);
  });

  it('puts masks in front of products, not of states', () => {
    const edges = [{ activation: 'relu', from: 0 }] as const;
    const masks = { 'cell.x': Float32Array.of(2), 'cell.h': Float32Array.of(0.5) };
    const { outputs } = run(
      (builder, x) => builder.recurrentCell('cell', x, { edges, inputDropout: 0.5, hiddenDropout: 0.5 }),
      { 'cell._W0': first, 'cell._Ws.0': own },
      { x: [0.5], columns: 1, hidden: array(-0.75), dropout: { ...draw, masks } },
    );
    expectArray(outputs[1], [along(state(0.5, -0.75, [2, 0.5]), own, (value) => Math.max(value, 0), 0.5)]);
  });

  /** A searched cell of one node on three columns, of which `none` takes a half. */
  function search(statistics: ReferenceOptions['statistics'], times: number) {
    const x = [0.5, -1, 2, 0.1, 0.2, -0.3].slice(0, 3 * times);
    const result = run(
      (builder, x) => {
        const alpha = builder.alpha('alphas', [3]);
        return builder.recurrentCell('cell', x, { nodes: 1, alpha, candidates: ['none', 'tanh', 'identity'] });
      },
      {
        ...{ 'cell._W0': first, 'cell._Ws.0': own, alphas: [Math.log(4), Math.log(3), 0] },
        ...{ 'cell.bn.running_mean': [0.1], 'cell.bn.running_var': [2] },
      },
      { x, columns: 3, statistics },
    );
    return { x, ...result };
  }
  const mixed = (s: number) => (3 * along(s, own, Math.tanh) + along(s, own, (value) => value)) / 8;
  const moments = (values: readonly number[]) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length };
  };
  const normalised = (values: readonly number[], { mean, variance } = moments(values)) =>
    values.map((value) => (value - mean) / Math.sqrt(variance + 1e-5));

  it('mixes candidates, none of them by taking its share, and normalises over the columns', () => {
    const { x, outputs, buffers } = search('batch', 1);
    const states = normalised(x.map((value) => state(value, 0)));
    expectArray(outputs[1], normalised(states.map(mixed)));
    expectArray(buffers.get('cell.bn.running_mean'), [0.1]);
  });

  it('normalises with running statistics where it is told, and columns stand alone', () => {
    const { x, outputs } = search('running', 1);
    const running = { mean: 0.1, variance: 2 };
    expectArray(
      outputs[1],
      normalised(
        normalised(
          x.map((value) => state(value, 0)),
          running,
        ).map(mixed),
        running,
      ),
    );
  });

  it('moves one pair of running statistics once a node and time, in their order', () => {
    const { x, outputs, buffers } = search('moving', 2);
    const uses: (readonly number[])[] = [];
    let hidden = [0, 0, 0];
    for (const time of [0, 1]) {
      const states = x.slice(3 * time, 3 * time + 3).map((value, i) => state(value, hidden[i]));
      const sums = normalised(states).map(mixed);
      hidden = normalised(sums);
      uses.push(states, sums);
    }
    expectArray(outputs[1].slice(3), hidden);
    let [mean, variance] = [0.1, 2];
    for (const use of uses) {
      const found = moments(use);
      mean = 0.9 * mean + 0.1 * found.mean;
      variance = 0.9 * variance + 0.1 * found.variance * (3 / 2);
    }
    expectArray(buffers.get('cell.bn.running_mean'), [mean]);
    expectArray(buffers.get('cell.bn.running_var'), [variance]);
  });

  it('has no batch statistics of one column', () => {
    const parameters = { 'cell._W0': first, 'cell._Ws.0': own, alphas: [0, 0, 0, 0, 0] };
    const statistics = { 'cell.bn.running_mean': [0], 'cell.bn.running_var': [1] };
    const one = () =>
      run(
        (builder, x) => builder.recurrentCell('cell', x, { nodes: 1, alpha: builder.alpha('alphas', [5]) }),
        { ...parameters, ...statistics },
        { x: [1], columns: 1 },
      );
    expect(one).toThrow('expected at least 2 columns for the statistics of a batch');
  });
});
