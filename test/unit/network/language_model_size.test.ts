import { describe, expect, it } from 'vitest';
import { recurrentGenotypes } from '../../../src/genotype/published/recurrent.ts';
import { languageModelWeights } from '../../../src/network/language_model_size.ts';
import { recurrentRows } from '../../../src/select/recurrent_rows.ts';

const nodesOf = (name: string) => recurrentGenotypes[name].recurrent.nodes.length;

describe('the weights of a language model', () => {
  it.each([
    ['DARTS_V2 on PTB', { words: 10_000, size: 850, nodes: nodesOf('DARTS_V2_RNN') }, 22_960_000],
    ['DARTS_V1 on PTB', { words: 10_000, size: 850, nodes: nodesOf('DARTS_V1_RNN') }, 22_960_000],
    ['DARTS_V2 on WikiText-2', { words: 33_278, size: 700, nodes: nodesOf('DARTS_V2_RNN') }, 33_127_878],
    ['ENAS on PTB', { words: 10_000, size: 850, nodes: nodesOf('ENAS_RNN') }, 27_295_000],
    ['a supernet on PTB', { words: 10_000, size: 300, nodes: 8 }, 4_810_000],
    ['a supernet on WikiText-2', { words: 33_278, size: 300, nodes: 8 }, 11_816_678],
  ])('%s are as many as published', (_, sizes, weights) => {
    expect(languageModelWeights(sizes)).toBe(weights);
  });

  it('are those of its tensors, and of alpha there are 180', () => {
    const [words, size, nodes] = [13, 6, 3];
    const shapes = [[words, size], [2 * size, 2 * size], ...Array(nodes).fill([size, 2 * size]), [words]];
    const sum = shapes.reduce((all, shape) => all + shape.reduce((a: number, b: number) => a * b, 1), 0);
    expect(languageModelWeights({ words, size, nodes })).toBe(sum);
    expect(recurrentRows(8).flatMap(({ candidates }) => candidates)).toHaveLength(180);
  });

  it('are of whole sizes', () => {
    expect(() => languageModelWeights({ words: 10, size: 2.5, nodes: 8 })).toThrow('a positive integer for size');
  });
});
