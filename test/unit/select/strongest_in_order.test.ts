// The decision of CDARTS on rows made by hand.
import { describe, expect, it } from 'vitest';
import { buildCyclicNetworks } from '../../../src/network/cyclic.ts';
import { mixingWeights } from '../../../src/network/mixing.ts';
import { selectGenotype } from '../../../src/select/rules.ts';

const { search } = buildCyclicNetworks({
  inputShape: [12, 12, 3],
  classes: 3,
  initChannels: 2,
  layers: 3,
  evaluationLayers: 3,
});
const names = search.space.edges['normal'][0].candidates.map(({ name }) => name);
const by = { by: 'cdarts', threshold: 0.85 } as const;

/** 14 rows of 8 logits, all 0 but the given ones: [row, candidate, logit]. */
function rows(...logits: readonly (readonly [number, number, number])[]): number[][] {
  const all = Array.from({ length: 14 }, () => new Array<number>(8).fill(0));
  for (const [row, candidate, logit] of logits) all[row][candidate] = logit;
  return all;
}

function decision(normal: number[][], reduce = rows()) {
  const mixing = (table: number[][]) => mixingWeights(Float32Array.from(table.flat()), Array(14).fill(8), 'softmax');
  const { normal: cell, reduce: other } = selectGenotype(
    search,
    { alphas_normal: mixing(normal), alphas_reduce: mixing(reduce) },
    by,
  );
  const told = (nodes: NonNullable<typeof cell>['nodes']) =>
    nodes.map((edges) => edges.map(({ operation, input }) => `${names.indexOf(operation)} from ${input}`).join(', '));
  return { normal: told(cell!.nodes), reduce: told(other!.nodes) };
}

describe('the rule cdarts', () => {
  it('takes the two strongest edges of each node, in the order of their inputs', () => {
    // Node 3 has the rows 9 to 13, of which 13 is the strongest and 10 the next.
    const { normal } = decision(rows([13, 4, 3], [10, 6, 2], [11, 1, 1], [9, 0, 0.5]));
    expect(normal[3]).toBe('6 from 1, 4 from 4');
  });

  it('never takes no op, which still weighs against the others of its row', () => {
    // Row 2 has the larger logit of a candidate, but most of its weight is no op's.
    const { normal } = decision(rows([2, 3, 2], [2, 7, 9], [3, 5, 1], [4, 2, 1]));
    expect(normal[1]).toBe('5 from 1, 2 from 2');
    expect(decision(rows([0, 7, 5], [1, 7, 5])).normal[0]).toBe('0 from 0, 0 from 1');
  });

  it('of equal candidates takes the lowest, of equal edges the lower inputs', () => {
    expect(decision(rows([5, 6, 1], [5, 3, 1], [8, 6, 1]))).toEqual({
      normal: ['0 from 0, 0 from 1', '0 from 0, 0 from 1', '3 from 0, 6 from 3', '0 from 0, 0 from 1'],
      reduce: ['0 from 0, 0 from 1', '0 from 0, 0 from 1', '0 from 0, 0 from 1', '0 from 0, 0 from 1'],
    });
    // Three alike and a stronger one: the lowest input of the three.
    expect(decision(rows([7, 2, 1])).normal[2]).toBe('0 from 0, 2 from 2');
  });

  it('lets each type of cells decide by itself', () => {
    const { normal, reduce } = decision(rows([0, 1, 1], [1, 3, 1]), rows([0, 6, 1], [1, 5, 1]));
    expect([normal[0], reduce[0]]).toEqual(['1 from 0, 3 from 1', '6 from 0, 5 from 1']);
  });

  it('never takes what was cut', () => {
    const cut = rows([0, 0, Number.NEGATIVE_INFINITY], [0, 1, Number.NEGATIVE_INFINITY]);
    expect(decision(cut).normal[0]).toBe('2 from 0, 0 from 1');
  });
});
