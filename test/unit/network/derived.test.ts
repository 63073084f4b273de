import { describe, expect, it } from 'vitest';
import { buildDerivedNetwork } from '../../../src/network/derived.ts';
import { type Genotype, genotypes } from '../../../src/network/genotype.ts';
import { costOf } from '../../../src/report/cost.ts';

const cifar = { inputShape: [32, 32, 3], classes: 10 } as const;
const norm = (name: string) => ['weight', 'bias', 'running_mean', 'running_var'].map((part) => `${name}.${part}`);

describe('buildDerivedNetwork', () => {
  it('counts the published 3.35 M parameters of DARTS_V2', () => {
    const { graph } = buildDerivedNetwork({ ...cifar, genotype: genotypes.DARTS_V2 });
    expect(costOf(graph).parameters).toBe(3_349_342);
  });

  it('names parameters as the published code does', () => {
    const { graph } = buildDerivedNetwork({ ...cifar, genotype: genotypes.DARTS_V2, initChannels: 4, layers: 3 });
    const names = graph.parameters.map(({ name }) => name);
    const under = (prefix: string) => names.filter((name) => name.startsWith(prefix)).sort();
    const sepConv = (op: string) => [
      `${op}.op.1.weight`,
      `${op}.op.2.weight`,
      ...norm(`${op}.op.3`),
      `${op}.op.5.weight`,
      `${op}.op.6.weight`,
      ...norm(`${op}.op.7`),
    ];
    const reluConvBn = (layer: string) => [`${layer}.op.1.weight`, ...norm(`${layer}.op.2`)];
    const reduce = (layer: string) => [`${layer}.conv_1.weight`, `${layer}.conv_2.weight`, ...norm(`${layer}.bn`)];
    expect(under('cells.0.')).toEqual(
      [
        ...reluConvBn('cells.0.preprocess0'),
        ...reluConvBn('cells.0.preprocess1'),
        ...[0, 1, 2, 3, 4].flatMap((position) => sepConv(`cells.0._ops.${position}`)),
        'cells.0._ops.7.op.1.weight',
        'cells.0._ops.7.op.2.weight',
        ...norm('cells.0._ops.7.op.3'),
      ].sort(),
    );
    // Every skip of the reduction cell reads node 0, which is small already.
    expect(under('cells.1.')).toEqual(
      [...reluConvBn('cells.1.preprocess0'), ...reluConvBn('cells.1.preprocess1')].sort(),
    );
    expect(under('cells.2.preprocess0')).toEqual(reduce('cells.2.preprocess0').sort());
    expect(names.filter((name) => !name.startsWith('cells.'))).toEqual([
      'stem.0.weight',
      ...norm('stem.1'),
      'classifier.weight',
      'classifier.bias',
    ]);
  });

  it('builds every published genotype, ending in loss and logits', () => {
    for (const genotype of Object.values(genotypes)) {
      const { graph, logits } = buildDerivedNetwork({ ...cifar, genotype, initChannels: 4, layers: 6 });
      expect(graph.nodes[graph.output]).toMatchObject({ op: 'softmaxCrossEntropy', inputs: [logits] });
      expect(graph.nodes[logits].shape).toEqual([10]);
      const kinds = new Set<string>(graph.nodes.map(({ op }) => op));
      expect(kinds.has('mixed')).toBe(false);
      expect(graph.parameters.every(({ role }) => role !== 'alpha')).toBe(true);
    }
  });

  it('takes other numbers of edges and operations of one’s own', () => {
    const cell = { nodes: [[{ operation: 'mine', input: 1 }]], concat: [2] };
    const genotype: Genotype = { normal: cell, reduce: cell };
    expect(() => buildDerivedNetwork({ ...cifar, genotype })).toThrow(/expected one of none, .* but received 'mine'/);
    const { graph } = buildDerivedNetwork({
      ...cifar,
      genotype,
      initChannels: 4,
      layers: 3,
      operations: { mine: (builder, input, { stride }) => builder.maxPool(input, { kernel: 3, stride, padding: 1 }) },
    });
    expect(graph.nodes.filter(({ op }) => op === 'maxPool').map(({ shape }) => shape)).toEqual([
      [32, 32, 4],
      [16, 16, 8],
      [8, 8, 16],
    ]);
  });

  it('refuses a faulty genotype', () => {
    const cell = { nodes: [[{ operation: 'none', input: 2 }]], concat: [2] };
    expect(() => buildDerivedNetwork({ ...cifar, genotype: { normal: cell, reduce: cell } })).toThrow(
      /genotype.normal.nodes\[0\]\[0\].input/,
    );
  });
});
