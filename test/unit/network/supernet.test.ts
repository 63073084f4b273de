import { describe, expect, it } from 'vitest';
import type { MixedNode } from '../../../src/graph/graph.ts';
import { mixingWeights } from '../../../src/network/mixing.ts';
import { buildSupernet } from '../../../src/network/supernet.ts';
import { normal } from '../../../src/random/philox.ts';
import { genotypeOf } from '../../../src/select/strongest_edges.ts';
import type { SearchSpace } from '../../../src/space/space.ts';
import { byType } from '../../helpers/by_type.ts';

const cifar = { inputShape: [32, 32, 3], classes: 10 } as const;
const supernet = buildSupernet(cifar);
const names = supernet.graph.parameters.map(({ name }) => name);
const namesUnder = (prefix: string) => names.filter((name) => name.startsWith(`${prefix}.`));
const statistics = (name: string) => [`${name}.running_mean`, `${name}.running_var`];

/** Names of one edge's mixed operation as in the published code, after `cells.I._ops.E`. */
function edgeNames(stride: 1 | 2): string[] {
  const skip = ['_ops.3.conv_1.weight', '_ops.3.conv_2.weight', ...statistics('_ops.3.bn')];
  const sepConv = (op: string) => [
    `${op}.op.1.weight`,
    `${op}.op.2.weight`,
    ...statistics(`${op}.op.3`),
    `${op}.op.5.weight`,
    `${op}.op.6.weight`,
    ...statistics(`${op}.op.7`),
  ];
  const dilConv = (op: string) => [`${op}.op.1.weight`, `${op}.op.2.weight`, ...statistics(`${op}.op.3`)];
  return [
    ...statistics('_ops.1.1'),
    ...statistics('_ops.2.1'),
    ...(stride === 2 ? skip : []),
    ...sepConv('_ops.4'),
    ...sepConv('_ops.5'),
    ...dilConv('_ops.6'),
    ...dilConv('_ops.7'),
  ];
}

function cellNames(cell: string, preprocess0: string[], strided: readonly number[]): string[] {
  const edges = Array.from({ length: 14 }, (_, edge) =>
    edgeNames(strided.includes(edge) ? 2 : 1).map((name) => `_ops.${edge}.${name}`),
  ).flat();
  const preprocess1 = ['op.1.weight', ...statistics('op.2')];
  return [
    ...preprocess0.map((name) => `preprocess0.${name}`),
    ...preprocess1.map((name) => `preprocess1.${name}`),
    ...edges,
  ].map((name) => `${cell}.${name}`);
}

describe('buildSupernet', () => {
  it('names parameters as the published code does', () => {
    const reluConvBn = ['op.1.weight', ...statistics('op.2')];
    const factorizedReduce = ['conv_1.weight', 'conv_2.weight', ...statistics('bn')];
    expect(namesUnder('cells.0').sort()).toEqual(cellNames('cells.0', reluConvBn, []).sort());
    expect(namesUnder('cells.2').sort()).toEqual(cellNames('cells.2', reluConvBn, [0, 1, 2, 3, 5, 6, 9, 10]).sort());
    expect(namesUnder('cells.3').sort()).toEqual(cellNames('cells.3', factorizedReduce, []).sort());
    expect(names.filter((name) => !name.startsWith('cells.'))).toEqual([
      'alphas_normal',
      'alphas_reduce',
      'stem.0.weight',
      'stem.1.weight',
      'stem.1.bias',
      ...statistics('stem.1'),
      'classifier.weight',
      'classifier.bias',
    ]);
  });

  it('is the published one: 1,930,618 weights, two 14x8 tables, reduction at cells 2 and 5', () => {
    const { graph, logits } = supernet;
    const weights = graph.parameters.filter(({ role }) => role === 'weight');
    expect(weights.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)).toBe(1_930_618);
    const tables = graph.parameters.filter(({ role }) => role === 'alpha');
    expect(tables.map(({ name, shape }) => [name, shape])).toEqual([
      ['alphas_normal', [14, 8]],
      ['alphas_reduce', [14, 8]],
    ]);
    expect(graph.nodes[graph.output].op).toBe('softmaxCrossEntropy');
    expect(graph.nodes[logits]).toMatchObject({ op: 'linear', shape: [10] });
    const mixed = graph.nodes.filter((node): node is MixedNode => node.op === 'mixed');
    expect(mixed.map(({ row }) => row)).toEqual(Array.from({ length: 8 * 14 }, (_, index) => index % 14));
    const cells = Array.from({ length: 8 }, (_, cell) => mixed.slice(14 * cell, 14 * (cell + 1)));
    expect(cells.flatMap((cell, index) => (cell[0].alpha === 'alphas_reduce' ? [index] : []))).toEqual([2, 5]);
    expect(cells.map((cell) => cell[13].shape)).toEqual(
      [
        [32, 16],
        [32, 16],
        [16, 32],
        [16, 32],
        [16, 32],
        [8, 64],
        [8, 64],
        [8, 64],
      ].map(([size, c]) => [size, size, c]),
    );
    for (const cell of cells) for (const edge of cell) expect(edge.alpha).toBe(cell[0].alpha);
    expect(mixed[0].branches.map(({ name }) => name)).toEqual(
      supernet.space.edges.normal[0].candidates.map(({ name }) => name),
    );
  });

  it('declares both tables even where every cell reduces', () => {
    for (const layers of [1, 2]) {
      const { graph, tables } = buildSupernet({ ...cifar, initChannels: 2, layers });
      expect(graph.parameters.filter(({ role }) => role === 'alpha').map(({ name }) => name)).toEqual([
        tables.normal.name,
        tables.reduce.name,
      ]);
    }
  });

  it('searches spaces of one’s own, with other candidates on each edge', () => {
    const space: SearchSpace = {
      name: 'own',
      nodes: 2,
      activation: 'sigmoid',
      candidates: ({ input }) => [
        'skip_connect',
        ...(input === 1 ? [] : ['avg_pool_3x3']),
        {
          name: 'gate',
          build: (builder, tensor, { channels, stride }) =>
            builder.conv2d('gate', builder.relu(tensor), { channels, kernel: 3, padding: 1, stride }),
        },
      ],
    };
    const { graph, tables } = buildSupernet({ ...cifar, space, initChannels: 4, layers: 3, stemMultiplier: 1 });
    expect(tables.normal.rowLengths).toEqual([3, 2, 3, 2, 3]);
    expect(graph.parameters.find(({ name }) => name === 'cells.0._ops.3._ops.1.gate.weight')?.shape).toEqual([
      3, 3, 4, 4,
    ]);
    expect(graph.parameters.find(({ name }) => name === 'stem.0.weight')?.shape).toEqual([3, 3, 3, 4]);
    const activations = graph.nodes.flatMap((node) => (node.op === 'mixed' ? [node.activation] : []));
    expect(new Set(activations)).toEqual(new Set(['sigmoid']));
  });

  it('refuses faulty options', () => {
    expect(() => buildSupernet({ ...cifar, inputShape: [32, 0, 3] })).toThrow(/three positive integers.*inputShape/);
    expect(() => buildSupernet({ ...cifar, classes: 0 })).toThrow(
      'expected a positive integer for classes but received 0',
    );
    expect(() => buildSupernet({ ...cifar, layers: 1.5 })).toThrow(/layers/);
    expect(() => buildSupernet({ ...cifar, initChannels: Number.NaN })).toThrow(/initChannels/);
    expect(() => buildSupernet({ ...cifar, stemMultiplier: -1 })).toThrow(/stemMultiplier/);
    expect(() => buildSupernet({ ...cifar, inputShape: [30, 30, 3], initChannels: 2 })).toThrow(
      /cells\.5\._ops\.0\._ops\.3: factorized reduce expected an even height and width but got 15x15/,
    );
  });
});

describe('genotypeOf', () => {
  const { space, tables } = supernet;
  const flat = () => Array.from({ length: 14 }, () => new Array<number>(8).fill(0.125));

  it('keeps the two strongest edges of a node, strongest first, and never none', () => {
    const rows = flat();
    // Node 2 has the rows 5 to 8 with inputs 0 to 3.
    rows[5] = [0.9, 0.1, 0, 0, 0, 0, 0, 0];
    rows[6] = [0, 0, 0, 0.2, 0.3, 0.25, 0.25, 0];
    rows[8] = [0, 0, 0, 0, 0, 0, 0, 1];
    const { normal: cell, reduce } = byType(genotypeOf(supernet, { alphas_normal: rows, alphas_reduce: flat() }));
    expect(cell.nodes[2]).toEqual([
      { operation: 'dil_conv_5x5', input: 3 },
      { operation: 'sep_conv_3x3', input: 1 },
    ]);
    expect(cell.concat).toEqual([2, 3, 4, 5]);
    const tied = [0, 1].map((input) => ({ operation: 'max_pool_3x3', input }));
    expect(reduce.nodes).toEqual([tied, tied, tied, tied]);
  });

  it('agrees with an exhaustive search over pairs of edges', () => {
    const candidates = space.edges.normal[0].candidates.map(({ name }) => name);
    for (let seed = 0; seed < 20; seed++) {
      const alpha = Float32Array.from(normal({ seed, purpose: 'architecture', epoch: 0, step: 0 }, 112));
      const rows = mixingWeights(alpha, tables.normal.rowLengths, 'softmax');
      const { nodes } = byType(genotypeOf(supernet, { alphas_normal: rows, alphas_reduce: flat() })).normal;
      const score = (row: number) => Math.max(...rows[row].slice(1));
      [0, 2, 5, 9].forEach((first, node) => {
        let best = -1;
        for (let a = first; a < first + node + 2; a++) {
          for (let b = first; b < first + node + 2; b++) {
            if (a !== b && score(a) >= score(b)) best = Math.max(best, score(a) + score(b));
          }
        }
        const kept = nodes[node].map(({ input, operation }) => rows[first + input][candidates.indexOf(operation)]);
        expect(kept[0] + kept[1]).toBe(best);
        expect(kept[0]).toBeGreaterThanOrEqual(kept[1]);
      });
    }
  });

  it('counts every candidate where there is no none', () => {
    const own = buildSupernet({
      inputShape: [8, 8, 1],
      classes: 2,
      initChannels: 2,
      layers: 1,
      space: { name: 'two', nodes: 1, candidates: ['skip_connect', 'avg_pool_3x3'] },
    });
    const mixing = {
      alphas_normal: [
        [0.6, 0.4],
        [0.3, 0.7],
      ],
      alphas_reduce: [
        [0.5, 0.5],
        [0.1, 0.2],
      ],
    };
    expect(byType(genotypeOf(own, mixing)).normal.nodes).toEqual([
      [
        { operation: 'avg_pool_3x3', input: 1 },
        { operation: 'skip_connect', input: 0 },
      ],
    ]);
    expect(byType(genotypeOf(own, mixing)).reduce.nodes[0][0]).toEqual({ operation: 'skip_connect', input: 0 });
  });

  it('refuses mixing weights that do not fit', () => {
    expect(() => genotypeOf(supernet, { alphas_normal: flat() })).toThrow(
      /14 rows, one an edge for mixing.alphas_reduce/,
    );
    const rows = flat();
    rows[3][2] = Number.NaN;
    expect(() => genotypeOf(supernet, { alphas_normal: rows, alphas_reduce: flat() })).toThrow(
      /mixing.alphas_normal\[3\]/,
    );
  });
});
