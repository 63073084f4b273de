// Derived networks whose operations are weighed against none (StacNAS, arXiv:1909.11926).
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../../src/backend/device.ts';
import { openDevice } from '../../../src/backend/open.ts';
import { sizesOfWeights } from '../../../src/exchange/network_sizes.ts';
import type { GenotypeByType, GenotypeCell } from '../../../src/genotype/genotype.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import type { Graph } from '../../../src/graph/graph.ts';
import { buildDerivedNetwork, type DerivedNetworkOptions } from '../../../src/network/derived.ts';
import { costOf } from '../../../src/report/cost.ts';
import { expectClose } from '../../helpers/compare.ts';
import {
  deviceTensors,
  expectedTensors,
  type PreparedCase,
  prepareGraph,
  referenceOf,
} from '../../helpers/kernel_case.ts';
import { checkGradients } from '../../helpers/reference_gradients.ts';

const sizes = { inputShape: [16, 16, 2], classes: 4, initChannels: 4, layers: 3 } as const;
const [pairs, triples] = [genotypes['STACNAS_CIFAR10'], genotypes['FairDARTS_g']];

const build = (genotype: GenotypeByType, more: Partial<DerivedNetworkOptions> = {}) =>
  buildDerivedNetwork({ ...sizes, genotype, normalisePooling: true, ...more }).graph;

const names = ({ parameters }: Graph, isBeta: boolean) =>
  parameters.map(({ name }) => name).filter((name) => name.endsWith('.beta') === isBeta);

describe('a network that keeps none', () => {
  it('has two numbers more for each operation of each cell, which begin at 0, and all else under its names', () => {
    const [plain, kept] = [build(pairs), build(pairs, { keepNone: true })];
    expect(names(kept, false)).toEqual(names(plain, false));
    expect(names(plain, true)).toEqual([]);
    const positions = [0, 1, 2, 3, 4, 5, 6, 7];
    expect(names(kept, true).sort()).toEqual(
      [0, 1, 2].flatMap((cell) => positions.map((place) => `cells.${cell}._ops.${place}.beta`)),
    );
    for (const { name, role, shape, initialiser } of kept.parameters.filter(({ name }) => name.endsWith('.beta'))) {
      expect([name, role, shape, initialiser]).toEqual([name, 'alpha', [1, 2], { kind: 'constant', value: 0 }]);
    }
    const { architectureParameters, ...cost } = costOf(kept);
    expect(architectureParameters).toBe(2 * 8 * 3);
    expect(cost).toMatchObject({ parameters: costOf(plain).parameters, flops: costOf(plain).flops });
  });

  it('drops a path first, then weighs it against none, then by the constant weight of its entry', () => {
    const edges = (weight?: number) => [
      { operation: 'sep_conv_3x3', input: 0, weight },
      { operation: 'skip_connect', input: 1, weight },
    ];
    const cell = { nodes: [edges(0.25)], concat: [2] };
    const { nodes } = build({ normal: cell, reduce: cell }, { keepNone: true, dropPath: 0.2, layers: 1 });
    const mixed = nodes.filter((node) => node.op === 'mixed');
    expect(mixed.map(({ branches }) => branches.map(({ name, output }) => [name, nodes[output].op]))).toEqual([
      [
        ['sep_conv_3x3', 'dropout'],
        ['none', 'zero'],
      ],
      [
        // A cell alone reduces, so that this skip is no identity.
        ['skip_connect', 'dropout'],
        ['none', 'zero'],
      ],
    ]);
    const scaled = nodes.filter((node) => node.op === 'scale');
    expect(scaled.map(({ inputs, factor }) => [inputs[0], factor])).toEqual(mixed.map(({ id }) => [id, 0.25]));
  });

  it('is told by its weights', () => {
    for (const genotype of [pairs, triples]) {
      for (const keepNone of [true, false]) {
        const { parameters } = build(genotype, { keepNone, inputShape: [32, 32, 3] });
        const tensors = new Map(
          parameters.map(({ name, shape, layout }) => {
            const inFile = layout === 'plain' ? shape : [shape.at(-1)!, shape.at(-2)!, ...shape.slice(0, -2)];
            return [name, { shape: inFile, data: new Float32Array(0) }];
          }),
        );
        const { supernet, keepNone: told = false } = sizesOfWeights(tensors, 'a file');
        expect([supernet, told]).toEqual([false, keepNone]);
      }
    }
  });

  it('weighs live operations of triples alone: sources that are passed over get no weights', () => {
    const passing: GenotypeCell = {
      nodes: [
        [{ operation: 'sep_conv_3x3', input: 0 }],
        [],
        [],
        [
          { operation: 'skip_connect', input: 3 },
          { operation: 'skip_connect', input: 1 },
        ],
      ],
      concat: [2, 5],
    };
    const graph = build({ entries: 'triples', normal: passing, reduce: passing }, { keepNone: true, layers: 1 });
    expect(names(graph, true)).toEqual(['cells.0._ops.2.0.0.beta', 'cells.0._ops.5.1.0.beta']);
  });

  it('refuses what is no flag', () => {
    expect(() => build(pairs, { keepNone: 1 as never })).toThrow('true or false for keepNone but received 1');
  });
});

/** Each entry with a constant weight of its own, so many of a node as it has entries. */
function weighedBy(genotype: GenotypeByType, factors: readonly number[]): GenotypeByType {
  const cell = ({ nodes, concat }: GenotypeCell): GenotypeCell => {
    let place = 0;
    return { concat, nodes: nodes.map((edges) => edges.map((edge) => ({ ...edge, weight: factors[place++] }))) };
  };
  return { ...genotype, normal: cell(genotype.normal), reduce: cell(genotype.reduce) };
}

describe('what it computes', () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice({ backend: 'cpu', threads: 2 });
  });
  afterAll(() => device.dispose());

  it('is what constant weights of softmax(β)₁ give', () => {
    const betas = Array.from({ length: 8 }, (_, i) => [Math.sin(i), Math.cos(2 * i)] as const);
    const factors = betas.map(([kept, none]) => 1 / (1 + Math.exp(none - kept)));
    const prepared = prepareGraph(build(pairs, { keepNone: true }), 3);
    const parameters = new Map(
      [...prepared.parameters].map(([name, values]) => {
        const place = /_ops\.(\d+)\.beta$/.exec(name)?.[1];
        return [name, place === undefined ? values : Float64Array.from(betas[Number(place)])];
      }),
    );
    const kept = referenceOf({ ...prepared, parameters });
    const constant = referenceOf({ ...prepared, parameters, graph: build(weighedBy(pairs, factors)) });
    expect(kept.loss).toBeCloseTo(constant.loss!, 12);
    const stem = (result: typeof kept) => [...result.gradients.get('stem.0.weight')!];
    for (const [i, value] of stem(kept).entries()) expect(value).toBeCloseTo(stem(constant)[i], 12);
  });

  const cases = [
    ['pairs', { genotype: pairs, dropPath: 0.3 }],
    ['triples', { genotype: triples, dropPath: 0.3 }],
    ['operations of triples that are dropped', { genotype: triples, dropPath: 0.3, dropPathUnit: 'operation' }],
  ] as const;

  it.each(cases)('has gradients that are central differences, of %s', (_, { genotype, ...more }) => {
    const graph = build(genotype, { ...more, keepNone: true, layers: 2, initChannels: 2 });
    checkGradients({ ...prepareGraph(graph, 2), dropout: { seed: 3, epoch: 0, step: 1 } });
  });

  it.each(cases)('is that of the float64 reference, of %s', async (_, { genotype, ...more }) => {
    const graph = build(genotype, { ...more, keepNone: true });
    const prepared: PreparedCase = { ...prepareGraph(graph, 3), dropout: { seed: 5, epoch: 0, step: 0 } };
    const actual = await deviceTensors(device, prepared);
    const expected = expectedTensors(prepared);
    const betas = [...expected].filter(([name]) => name.endsWith('.beta'));
    expect(betas.length).toBeGreaterThan(10);
    // Of two numbers that are a sum over a whole image, whose terms may cancel: to the error that the largest of them may have.
    const ofBeta = Math.max(...betas.map(([, { tolerance }]) => tolerance));
    for (const [name, { values, shape, tolerance }] of expected) {
      const allowed = name.endsWith('.beta') ? ofBeta : tolerance;
      expectClose(actual.get(name)!, values, { name, tolerance: allowed, shape });
    }
  });
});
