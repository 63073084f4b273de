// The network of a genotype of triples (arXiv:1911.12126). That it computes what PyTorch does: test/torch.
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Device } from '../../../src/backend/device.ts';
import { openDevice } from '../../../src/backend/open.ts';
import { withoutDeadNodes } from '../../../src/genotype/dead_nodes.ts';
import type { Genotype, GenotypeCell } from '../../../src/genotype/genotype.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import type { Graph } from '../../../src/graph/graph.ts';
import { buildDerivedNetwork } from '../../../src/network/derived.ts';
import { costOf } from '../../../src/report/cost.ts';
import { byType } from '../../helpers/by_type.ts';
import { scratch } from '../../helpers/scratch.ts';

const letters: Readonly<Record<string, string>> = {
  ...{ m: 'max_pool_3x3', a: 'avg_pool_3x3', k: 'skip_connect', s: 'sep_conv_3x3', S: 'sep_conv_5x5' },
  ...{ d: 'dil_conv_3x3', D: 'dil_conv_5x5' },
};

/** A cell from triples of operation, source and target such as s02. */
function cell(text: string): GenotypeCell {
  const triples = text.split(' ').filter((triple) => triple !== '');
  const nodes = ['2', '3', '4', '5'].map((state) =>
    triples
      .filter(([, , to]) => to === state)
      .map(([letter, from]) => ({ operation: letters[letter], input: Number(from) })),
  );
  return { nodes, concat: [...new Set(triples.map(([, , to]) => Number(to)))] };
}

const usual = cell('s02');

function genotypeOf(normal: GenotypeCell, reduce = usual): Genotype {
  return { entries: 'triples', normal, reduce };
}

const sizes = { inputShape: [32, 32, 3], classes: 10, initChannels: 4, layers: 3 } as const;

function build(genotype: Genotype, training = {}): Graph {
  return buildDerivedNetwork({ ...sizes, genotype, ...training }).graph;
}

/** Names of the first cell's operations, without its own. */
function operationsOf({ parameters }: Graph): string[] {
  const names = parameters.flatMap(({ name }) => /^cells\.0\._ops\.(.*?)\.(?:op|conv|bn)/.exec(name)?.[1] ?? []);
  return [...new Set(names)];
}

const weightNames = (graph: Graph) => graph.parameters.filter(({ untrained }) => untrained).map(({ name }) => name);

describe('a network of triples', () => {
  it('names its operations by target, source and place on the edge', () => {
    const mixed = cell('d15 s05 S15 k04 D45');
    // State 5 is made before state 4, which it passes over; its edges lie in the order in which their sources appear.
    const graph = build(genotypeOf(mixed));
    expect(operationsOf(graph)).toEqual(['5.1.0', '5.1.1', '5.0.0', '5.4.0']);
    expect(weightNames(graph).every((name) => name.includes('_ops.5.4.0.'))).toBe(true);
    expect(weightNames(graph).length).toBe(4);
  });

  it('sums the operations of an edge, then the edges, and concatenates as it computes', () => {
    const triples = cell('m03 a03 m13 a13 k35 m15');
    const { nodes } = build(genotypeOf(triples));
    const sums = nodes.filter(({ op }) => op === 'add');
    const opsBehind = (id: number) => nodes[id].inputs.map((input) => nodes[input].op);
    // The first edge's operations come first in the outer sum: sums run from the left.
    expect(opsBehind(sums[0].id)).toEqual(['maxPool', 'avgPool']);
    expect(opsBehind(sums[1].id)).toEqual(['maxPool', 'avgPool', 'add']);
    expect(sums[1].inputs[2]).toBe(sums[0].id);
    expect(sums[2].inputs[0]).toBe(sums[1].id);
    expect(nodes.find(({ op }) => op === 'concat')?.inputs).toEqual([sums[1].id, sums[2].id]);
  });

  it('is as wide as it has nodes, and so is what comes behind it', () => {
    const one = genotypeOf(cell('k13'), cell('m02 m15 m14'));
    const graph = build(one, { layers: 6, auxiliaryWeight: 0.4 });
    const shapeOf = (name: string) => graph.parameters.find((spec) => spec.name === name)?.shape.slice(-2);
    // Cells 2 and 4 of six reduce, to 8 and 16 channels; a normal one is one node wide, a reduction cell three.
    expect(shapeOf('cells.1.preprocess1.op.1.weight')).toEqual([4, 4]);
    expect(shapeOf('cells.3.preprocess1.op.1.weight')).toEqual([3 * 8, 8]);
    expect(shapeOf('auxiliary_head.features.2.weight')).toEqual([3 * 16, 128]);
    expect(shapeOf('classifier.weight')).toEqual([16, 10]);
  });

  it('passes over sources that are no state yet, but declares their operations', () => {
    const passing = cell('s02 d04 S34 k34 m15 D35');
    const without = cell('s02 d04 m15');
    const reduce = cell('k02 d35 m15');
    const graph = build(genotypeOf(passing, reduce));
    expect(operationsOf(graph)).toEqual(['2.0.0', '4.0.0', '4.3.0', '5.3.0']);
    const untrained = weightNames(graph);
    expect(untrained).toContain('cells.0._ops.4.3.0.op.6.weight');
    expect(untrained).toContain('cells.1._ops.5.3.0.op.3.bias');
    expect(untrained).not.toContain('cells.0._ops.4.3.0.op.3.running_mean');
    const plain = build(genotypeOf(without, cell('k02 m15')));
    expect(graph.nodes.map(({ op, shape }) => [op, shape])).toEqual(plain.nodes.map(({ op, shape }) => [op, shape]));
    const [cost, plainCost] = [costOf(graph), costOf(plain)];
    // A 5x5 separable, a dilated 5x5 on 4 channels; two dilated 3x3 on 8 and 16; with affine batch normalisations.
    const declared = 2 * (25 * 4 + 16 + 8) + (25 * 4 + 16 + 8) + (9 * 8 + 64 + 16) + (9 * 16 + 256 + 32);
    expect(cost).toEqual({ ...plainCost, parameters: plainCost.parameters + declared, untrainedParameters: declared });
  });

  it.each([
    [genotypeOf(cell('s02 s34 k34')), "node 2 (state 4) of the genotype's normal cell", 'makes state 3;'],
    [
      genotypeOf(usual, cell('s02 k45 k35')),
      "node 3 (state 5) of the genotype's reduction cell",
      'makes state 4 or 3;',
    ],
  ])('refuses a node all of whose sources are passed over: %#', (genotype, node, sources) => {
    for (const layers of [1, 3]) {
      expect(() => build(genotype, { layers })).toThrow(node);
      expect(() => build(genotype, { layers })).toThrow(sources);
    }
  });

  it('drops such nodes where it is told to, and those that live on them', () => {
    const chained = cell('s23 k34 s45 d05 k12');
    const dropped = byType(withoutDeadNodes(genotypeOf(chained)));
    expect(dropped.normal.concat).toEqual([5, 2]);
    expect(dropped.normal.nodes.map(({ length }) => length)).toEqual([1, 0, 0, 2]);
    expect(dropped.reduce).toEqual(usual);
    // What lived on a dropped node is passed over.
    expect(operationsOf(build(dropped))).toEqual(['5.4.0', '5.0.0']);
    expect(withoutDeadNodes(genotypes['DARTS_V2'])).toBe(genotypes['DARTS_V2']);
  });

  it('refuses a cell without entries, one left without any as well, whatever the network is made of', () => {
    const lonely = withoutDeadNodes(genotypeOf(usual, cell('k23 k34')));
    for (const genotype of [genotypeOf(usual, cell('')), lonely]) {
      for (const layers of [1, 3])
        expect(() => build(genotype, { layers })).toThrow(/at least one entry in the genotype's reduction cell/);
    }
    expect(() => build(genotypeOf(cell('')))).toThrow(/at least one entry in the genotype's normal cell/);
  });

  it('drops the path of nodes, identities included, and of operations where that is asked for', () => {
    const skips = genotypeOf(cell('k02 s03 m13 s23'));
    const drops = (training: object) =>
      build(skips, { layers: 4, ...training }).nodes.filter(({ op }) => op === 'dropout').length;
    // Of four cells the second and the third reduce, with a node of one operation each.
    expect(drops({ dropPath: 0.2 })).toBe(2 * 2 + 2);
    expect(drops({ dropPath: 0.2, dropPathUnit: 'node' })).toBe(2 * 2 + 2);
    expect(drops({ dropPath: 0.2, dropPathUnit: 'operation' })).toBe(2 * 3 + 2);
    expect(drops({ dropPath: 0.2, dropPathUnit: 'edge' })).toBe(2 * 4 + 2);
    expect(drops({})).toBe(0);
    const graph = build(skips, { dropPath: 0.2 });
    const first = graph.nodes.find(({ op }) => op === 'dropout');
    expect(first).toMatchObject({ rate: 0.2, drops: 'samples' });
    // A node that is an identity alone: what the cell concatenates is the dropped one.
    expect(graph.nodes[first!.inputs[0]].op).toBe('batchNorm');
    expect(graph.nodes.find(({ op }) => op === 'concat')?.inputs).toContain(first!.id);
    expect(() => build(skips, { dropPathUnit: 'cell' })).toThrow('dropPathUnit');
  });

  it('drops the path of the nodes of pairs where that is asked for', () => {
    const graph = build(genotypes['DARTS_V2'], { dropPath: 0.2, dropPathUnit: 'node' });
    expect(graph.nodes.filter(({ op }) => op === 'dropout').length).toBe(3 * 4);
  });

  it('multiplies what is summed by constant weights, behind drop path', () => {
    const { nodes } = build(genotypes['DARTS_EXP1_RE1'], { dropPath: 0.2 });
    const factors = nodes.flatMap((node) => (node.op === 'scale' ? [[node.factor, nodes[node.inputs[0]].op]] : []));
    // The first node: an identity, never dropped, and a separable convolution.
    expect(factors.slice(0, 2)).toEqual([
      [0.2386, 'batchNorm'],
      [0.234, 'dropout'],
    ]);
    expect(factors.length).toBe(3 * 8);
    const [sum] = nodes.filter(({ op }) => op === 'add');
    expect(sum.inputs.map((id) => nodes[id].op)).toEqual(['scale', 'scale']);
  });
});

describe('operations that are passed over', () => {
  let device: Device | undefined;
  afterAll(() => device?.dispose());

  it('are written and read, but neither trained nor decayed', async () => {
    device ??= await openDevice({ backend: 'cpu', threads: 1 });
    const passing = cell('s02 s35 k15');
    const graph = build(genotypeOf(passing), { inputShape: [8, 8, 3], initChannels: 2 });
    using parameters = await device.createParameters(graph, { seed: 1 });
    using program = device.compile(graph, { batchSize: 2, parameters });
    const names = graph.parameters.map(({ name }) => name).filter((name) => name.startsWith('cells.0._ops.5.3.'));
    expect(names.length).toBe(4 + 2 * 4);
    const valuesOf = async () => Promise.all(names.map(async (name) => [...(await parameters.get(name)).data]));
    const before = await valuesOf();
    const inputs = { images: Float32Array.from({ length: 2 * 192 }, (_, i) => Math.sin(i)) };
    const batch = { inputs, labels: Int32Array.of(1, 2) };
    const rates = { learningRate: 0.1, momentum: 0.9, weightDecay: 0.5, maxNorm: 5 };
    const trained = (await parameters.get('cells.0._ops.2.0.0.op.1.weight')).data;
    await device.execute([
      { kind: 'gradients', program, batch, target: 'weights' },
      { kind: 'sgd', parameters, ...rates },
    ]);
    expect(await valuesOf()).toEqual(before);
    expect((await parameters.get('cells.0._ops.2.0.0.op.1.weight')).data).not.toEqual(trained);
    // Drawn as weights are, so that a network that has all of its sources could begin with them.
    expect(Math.max(...before[0].map(Math.abs))).toBeGreaterThan(0.1);

    const path = join(scratch(), 'weights.safetensors');
    await parameters.save(path, { optimizer: true });
    using others = await device.createParameters(graph, { seed: 2 });
    await others.load(path);
    expect(await Promise.all(names.map(async (name) => [...(await others.get(name)).data]))).toEqual(before);
  });
});
