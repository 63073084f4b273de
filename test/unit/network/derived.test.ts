import { describe, expect, it } from 'vitest';
import type { Genotype } from '../../../src/genotype/genotype.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { buildDerivedNetwork } from '../../../src/network/derived.ts';
import { costOf } from '../../../src/report/cost.ts';

const cifar = { inputShape: [32, 32, 3], classes: 10 } as const;
const norm = (name: string) => ['weight', 'bias', 'running_mean', 'running_var'].map((part) => `${name}.${part}`);

describe('buildDerivedNetwork', () => {
  it('counts the published 3.35 M parameters of DARTS_V2', () => {
    const { graph } = buildDerivedNetwork({ ...cifar, genotype: genotypes.DARTS_V2 });
    expect(costOf(graph).parameters).toBe(3_349_342);
  });

  it('counts the published 4.72 M parameters of DARTS_V2 for ImageNet', () => {
    const large = { inputShape: [224, 224, 3], classes: 1000, initChannels: 48, layers: 14, stem: 'large' } as const;
    const { graph } = buildDerivedNetwork({ ...large, genotype: genotypes.DARTS_V2 });
    expect(costOf(graph).parameters).toBe(4_718_752);
    expect(
      graph.nodes.filter(({ op }) => op === 'globalAvgPool').map(({ inputs }) => graph.nodes[inputs[0]].shape),
    ).toEqual([[7, 7, 768]]);
    const names = graph.parameters.map(({ name }) => name).filter((name) => name.startsWith('stem'));
    expect(names).toEqual([
      ...['stem0.0.weight', ...norm('stem0.1'), 'stem0.3.weight', ...norm('stem0.4')],
      ...['stem1.1.weight', ...norm('stem1.2')],
    ]);
  });

  it.each([
    ['small', [32, 32, 3], ['2.weight', '3', '5.weight', '6']],
    ['small', [28, 28, 1], ['2.weight', '3', '5.weight', '6']],
    ['large', [224, 224, 3], ['2.weight', '3', '5.weight']],
  ] as const)('has an auxiliary head for training, stem %s, images %j', (stem, inputShape, features) => {
    const sizes = { inputShape, classes: 10, initChannels: 4, layers: 6, stem, genotype: genotypes.DARTS_V2 };
    const plain = buildDerivedNetwork(sizes);
    const { graph, logits } = buildDerivedNetwork({ ...sizes, auxiliaryWeight: 0.4, labelSmoothing: 0.1 });
    const loss = graph.nodes[graph.output];
    expect(loss).toMatchObject({ op: 'softmaxCrossEntropy', weights: [1, 0.4], smoothing: 0.1 });
    expect(loss.inputs[0]).toBe(logits);
    const names = (network: typeof graph) => network.parameters.map(({ name }) => name);
    const own = names(graph).filter((name) => name.startsWith('auxiliary_head.'));
    expect(own).toEqual([
      ...features.flatMap((part) =>
        part.endsWith('weight') ? [`auxiliary_head.features.${part}`] : norm(`auxiliary_head.features.${part}`),
      ),
      'auxiliary_head.classifier.weight',
      'auxiliary_head.classifier.bias',
    ]);
    expect(
      names(graph)
        .filter((name) => !own.includes(name))
        .sort(),
    ).toEqual(names(plain.graph).sort());
  });

  it('refuses an auxiliary head on images that are too small', () => {
    const sizes = {
      inputShape: [16, 16, 3],
      classes: 10,
      initChannels: 4,
      layers: 6,
      genotype: genotypes.DARTS_V2,
    } as const;
    expect(() => buildDerivedNetwork({ ...sizes, auxiliaryWeight: 0.4 })).toThrow('at least 6x6 pixels but got 4x4');
  });

  it('drops the path of every operation but the identity', () => {
    const sizes = { ...cifar, genotype: genotypes.DARTS_V2, initChannels: 4, layers: 3 };
    const { graph } = buildDerivedNetwork({ ...sizes, dropPath: 0.2 });
    const dropped = graph.nodes.filter(({ op }) => op === 'dropout');
    // Normal: 8 operations, two of them skips. Reduction, twice: 8 with three skips of node 0, which do not reduce.
    expect(dropped.length).toBe(6 + 2 * 5);
    expect(dropped.every((node) => node.op === 'dropout' && node.drops === 'samples' && node.rate === 0.2)).toBe(true);
    expect(() => buildDerivedNetwork({ ...sizes, dropPath: 1 })).toThrow('dropPath');
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
