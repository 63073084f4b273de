// Retrained networks of CDARTS: NNI's sizes and names, and those that its authors give.
import { describe, expect, it } from 'vitest';
import { pairs } from '../../../src/genotype/published/letters.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import type { Graph } from '../../../src/graph/graph.ts';
import { buildDerivedNetwork, type DerivedNetworkOptions } from '../../../src/network/derived.ts';
import { costOf } from '../../../src/report/cost.ts';

const cifar = { inputShape: [32, 32, 3], classes: 10, skeleton: 'cdarts' } as const;
const imagenet = { inputShape: [224, 224, 3], classes: 1000, initChannels: 48, layers: 14, stem: 'large' } as const;
const authors = { affineNorms: true, stemMultiplier: 3 } as const;
const small = { ...cifar, initChannels: 4, layers: 3 } as const;

function build(name: string, options: Partial<DerivedNetworkOptions> = {}): Graph {
  return buildDerivedNetwork({ ...cifar, genotype: genotypes[name], ...options }).graph;
}

const drops = (graph: Graph) => graph.nodes.filter(({ op }) => op === 'dropout').length;

describe('a retrained network of CDARTS', () => {
  it.each<[string, Partial<DerivedNetworkOptions>, number]>([
    ['DARTS_V2', {}, 3_299_302],
    ['CDARTS_CIFAR', {}, 3_801_502],
    ['CDARTS_CIFAR', { auxiliaryWeight: 0.4 }, 3_801_502 + 476_426],
    ['CDARTS_CIFAR', authors, 3_859_318],
    ['CDARTS_CIFAR_2020', authors, 4_003_822],
    ['CDARTS_IMAGENET', { ...imagenet, affineNorms: true }, 6_360_256],
  ])('of %s with %j has the published number of parameters', (name, options, parameters) => {
    expect(costOf(build(name, options)).parameters).toBe(parameters);
  });

  it('names parameters as NNI does, an operation by its node and edge', () => {
    const names = build('CDARTS_CIFAR', { initChannels: 4, auxiliaryWeight: 0.4 }).parameters.map(({ name }) => name);
    const under = (prefix: string) => names.filter((name) => name.startsWith(`${prefix}.`));
    const statistics = (name: string) => [`${name}.running_mean`, `${name}.running_var`];
    const affine = (name: string) => [`${name}.weight`, `${name}.bias`, ...statistics(name)];
    const reluConvBn = (prefix: string) => [`${prefix}.net.1.weight`, ...statistics(`${prefix}.net.2`)];
    const reduced = (prefix: string) => [
      `${prefix}.conv1.weight`,
      `${prefix}.conv2.weight`,
      ...statistics(`${prefix}.bn`),
    ];
    const half = (prefix: string) => [`${prefix}.1.weight`, `${prefix}.2.weight`, ...statistics(`${prefix}.3`)];
    const edge = (node: number, input: number) => `cells.6.mutable_ops.${node}.ops.${input}`;
    const separable = (prefix: string) => [...half(`${prefix}.net.0.net`), ...half(`${prefix}.net.1.net`)];
    expect(under('stem')).toEqual(['stem.0.weight', ...affine('stem.1')]);
    // CDARTS_CIFAR reduces by sep5 1, max 0 | dil5 2, skip 0 | sep3 0, sep5 1 | sep3 0, dil5 2.
    expect(under('cells.6').toSorted()).toEqual(
      [
        ...reluConvBn('cells.6.preproc0'),
        ...reluConvBn('cells.6.preproc1'),
        ...separable(edge(0, 1)),
        ...[...half(`${edge(1, 2)}.net`), ...reduced(edge(1, 0))],
        ...[...separable(edge(2, 0)), ...separable(edge(2, 1))],
        ...[...separable(edge(3, 0)), ...half(`${edge(3, 2)}.net`)],
      ].toSorted(),
    );
    expect(under('cells.7.preproc0')).toEqual(reduced('cells.7.preproc0'));
    expect(under('aux_head')).toEqual([
      'aux_head.13.features.2.weight',
      ...affine('aux_head.13.features.3'),
      'aux_head.13.features.5.weight',
      ...affine('aux_head.13.features.6'),
      ...['aux_head.13.classifier.weight', 'aux_head.13.classifier.bias'],
    ]);
    expect(under('linear')).toEqual(['linear.weight', 'linear.bias']);
    const known = ['stem', 'cells', 'aux_head', 'linear'].flatMap(under);
    expect(known).toHaveLength(names.length);
  });

  it('has no batch normalisation behind poolings', () => {
    const { nodes } = build('DARTS_V2', { initChannels: 4 });
    const pools = new Set(nodes.filter(({ op }) => op === 'maxPool').map(({ id }) => id));
    expect(pools.size).toBeGreaterThan(0);
    expect(nodes.filter(({ op, inputs }) => op === 'batchNorm' && pools.has(inputs[0]))).toEqual([]);
  });

  it('drops the output of every kept edge, skips included', () => {
    // Of 3 cells two reduce, at strides that make a skip an operation.
    const options = { ...small, dropPath: 0.3 };
    expect(drops(build('CDARTS_CIFAR', { ...options, dropPathUnit: 'edge' }))).toBe(3 * 8);
    expect(drops(build('CDARTS_CIFAR', { ...options, dropPathUnit: 'operation' }))).toBe(3 * 8 - 2);
    expect(drops(build('CDARTS_CIFAR', { ...options, dropPath: 0, dropPathUnit: 'edge' }))).toBe(0);
  });

  it.each<[Partial<DerivedNetworkOptions>, string]>([
    [{ normalisePooling: true }, 'expected false in a cdarts network for normalisePooling'],
    [{ keepNone: true }, 'expected false in a cdarts network for keepNone'],
    [{ genotype: genotypes['FairDARTS_a'] }, 'expected one of pairs for the genotype of a cdarts network'],
    [
      { genotype: pairs('s0 k1 / s0 m0') },
      "expected one operation an edge for the genotype of a cdarts network but received 'several on an edge into node 0 of the reduction cell'",
    ],
    [{ genotype: genotypes['NASNet'] }, 'the genotype of a cdarts network'],
    [{ genotype: pairs('s0 k1 / s0 c1') }, 'expected one of max_pool_3x3, avg_pool_3x3'],
    [{ affineNorms: 1 as never }, 'affineNorms'],
    [{ stemMultiplier: 0 }, 'stemMultiplier'],
  ])('refuses %j', (options, message) => {
    expect(() => build('CDARTS_CIFAR', { ...small, ...options })).toThrow(message);
  });
});
