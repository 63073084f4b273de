// The two networks of CDARTS over one set of parameters.
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../../src/backend/open.ts';
import { unionOf } from '../../../src/backend/parameter_map.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { parseGenotype } from '../../../src/genotype/text.ts';
import type { Graph, MixedNode } from '../../../src/graph/graph.ts';
import { buildCyclicNetworks, type CyclicOptions, candidateGroup } from '../../../src/network/cyclic.ts';
import { buildSupernet } from '../../../src/network/supernet.ts';
import { uniform } from '../../../src/random/philox.ts';
import { costOf } from '../../../src/report/cost.ts';
import { spaces } from '../../../src/space/space.ts';

const cifar = { inputShape: [32, 32, 3], classes: 10 } as const;
const tiny = { inputShape: [12, 12, 3], classes: 3, initChannels: 2, layers: 3, evaluationLayers: 4 } as const;
const decision = genotypes['CDARTS_CIFAR'];
const namesOf = ({ parameters }: Graph) => parameters.map(({ name }) => name);
const groupsOf = ({ parameters }: Graph) =>
  new Set(parameters.filter(({ role }) => role === 'weight').map(({ group }) => group));
/** Of a network; the page counts three ensemble weights as well. */
const counted = (graph: Graph) => costOf(graph).parameters + 3;

describe('buildCyclicNetworks', () => {
  const { search, candidates, evaluation } = buildCyclicNetworks(cifar);
  const chosen = evaluation(decision);

  it('has the published numbers of parameters', () => {
    expect(counted(search.graph)).toBe(2_779_121);
    expect(counted(candidates)).toBe(5_397_233);
    const heads = candidates.parameters.filter(({ name, role }) => role === 'weight' && name.includes('aux_head'));
    expect(heads.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0)).toBe(850_964);
  });

  it('has candidates 0 to 6 and none under the published names', () => {
    const edge = 'search.cells.2.mutable_ops.3.ops.1';
    const statistics = (name: string) => [`${name}.running_mean`, `${name}.running_var`];
    const half = (prefix: string) => [`${prefix}.1.weight`, `${prefix}.2.weight`, ...statistics(`${prefix}.3`)];
    expect(namesOf(search.graph).filter((name) => name.startsWith(`${edge}.`))).toEqual([
      ...[`${edge}.2.conv1.weight`, `${edge}.2.conv2.weight`, ...statistics(`${edge}.2.bn`)],
      ...[3, 4].flatMap((i) => [...half(`${edge}.${i}.net.0.net`), ...half(`${edge}.${i}.net.1.net`)]),
      ...[5, 6].flatMap((i) => half(`${edge}.${i}.net`)),
    ]);
    const [first] = search.graph.nodes.filter(({ op }) => op === 'mixed') as MixedNode[];
    expect(first.branches.map(({ name }) => name)).toEqual(spaces['cdarts'].candidates);
  });

  it('gives the first cell of both the output of the stem, of the channels of its nodes', () => {
    for (const { nodes } of [search.graph, candidates, chosen.graph]) {
      const stem = nodes.find((node) => node.op === 'batchNorm' && node.runningMean === 'search.stem.1.running_mean')!;
      expect(stem.shape).toEqual([32, 32, 16]);
      // Both inputs of the first cell, and the older one of the second, begin with a ReLU.
      expect(nodes.filter(({ op, inputs }) => op === 'relu' && inputs[0] === stem.id)).toHaveLength(3);
    }
  });

  it('puts heads behind the reduction cells, pooled by 6, and by 5 where 7x7 pixels are left', () => {
    const large = { inputShape: [224, 224, 3], classes: 1000, stem: 'large', evaluationLayers: 14 } as const;
    const shapes = ({ graph: { nodes }, heads }: { graph: Graph; heads: readonly number[] }) =>
      heads.map((head) => {
        const mean = nodes[nodes[head].inputs[0]];
        const [relu] = mean.inputs;
        return [nodes[head].shape[0], ...nodes[relu].shape];
      });
    expect(shapes(search)).toEqual([
      [10, 5, 5, 768],
      [10, 1, 1, 768],
    ]);
    expect(shapes(chosen)).toEqual(shapes(search));
    expect(shapes(buildCyclicNetworks(large).search)).toEqual([
      [1000, 4, 4, 768],
      [1000, 1, 1, 768],
    ]);
    const kernels = (graph: Graph) =>
      graph.nodes.flatMap((node) => (node.op === 'avgPool' && node.padding[0] === 0 ? [node.kernel[0]] : []));
    expect(kernels(buildCyclicNetworks(large).search.graph)).toEqual([6, 5]);
  });

  it('lays all of E and S out as one set, of which any decision is a part', () => {
    const union = unionOf([search.graph, candidates]);
    expect(unionOf([union, chosen.graph] as Graph[]).parameters).toHaveLength(union.parameters.length);
    const shared = namesOf(candidates).filter((name) => namesOf(search.graph).includes(name));
    expect(shared.every((name) => /^search\.(stem\.[01]|aux_head\.[25])\./.test(name))).toBe(true);
    expect(shared).toHaveLength(5 + 2 * 8);
    expect(namesOf(chosen.graph)).toContain('evaluation.cells.6.mutable_ops.1.ops.2.6.net.1.weight');
    expect(namesOf(chosen.graph).filter((name) => name.includes('cells.6.mutable_ops.1.ops.1'))).toEqual([]);
  });

  it('shares nothing where it is not asked to', () => {
    const apart = buildCyclicNetworks({ ...cifar, shareModule: false, evaluationChannels: 8 });
    const names = new Set(namesOf(apart.search.graph));
    expect(namesOf(apart.candidates).filter((name) => names.has(name))).toEqual([]);
    expect(namesOf(apart.candidates)).toContain('evaluation.aux_head.13.classifier.bias');
    expect(groupsOf(apart.search.graph)).toEqual(new Set(['search', 'search.stem', 'search.heads']));
    expect(groupsOf(apart.evaluation(decision).graph)).toContain('evaluation.heads');
  });

  it('groups weights by when they first have a gradient', () => {
    expect(groupsOf(search.graph)).toEqual(new Set(['search', 'stem', 'heads']));
    const own = [...groupsOf(candidates)].filter((group) => !['evaluation', 'stem', 'heads'].includes(group!));
    // Candidates with weights: four convolutions on every edge, the skip of 8 edges of the reduction cell.
    expect(own).toHaveLength(2 * 14 * 4 + 8);
    const group = candidateGroup('reduce', 4, 6);
    const members = candidates.parameters.filter((spec) => spec.group === group).map(({ name }) => name);
    expect(members).toEqual(
      [6, 13].flatMap((cell) =>
        [1, 2].map((net) => `evaluation.cells.${cell}.mutable_ops.1.ops.2.6.net.${net}.weight`),
      ),
    );
  });

  it.each([
    ['own', 1 / 3, 2],
    ['shared', 0.333, 1],
  ] as const)('begins ensemble weights within the published bounds: %s', (ensemble, bound, count) => {
    const { layout } = buildCyclicNetworks({ ...tiny, ensemble });
    const weights = layout.parameters.filter(({ name }) => name.endsWith('ensemble_param'));
    expect(weights.map(({ initialiser }) => initialiser)).toEqual(
      Array(count).fill({ kind: 'uniform', least: 0, bound }),
    );
  });

  it('takes candidates of a user', () => {
    const space = { ...spaces['cdarts'], name: 'mine', candidates: ['skip_connect', 'sep_conv_3x3', 'none'] };
    const own = buildCyclicNetworks({ ...tiny, space });
    expect(() => own.evaluation(decision)).toThrow(
      "expected one of skip_connect, sep_conv_3x3, once, for the edge reduce.0.1 but received 'sep_conv_5x5'",
    );
  });

  it.each<[Partial<CyclicOptions>, string]>([
    [{ evaluationChannels: 4 }, 'expected 2, as both networks share modules, for evaluationChannels but received 4'],
    [{ layers: 2 }, 'layers'],
    [{ evaluationLayers: 2 }, 'evaluationLayers'],
    [
      { space: 'darts' },
      'expected one of the skeletons cdarts and nasbench201, whose cells of a type share alpha, for space',
    ],
    [{ space: { ...spaces['cdarts'], sharedAlpha: false } }, 'share alpha'],
    [{ inputShape: [8, 8, 3] }, 'a distillation head expected at least 3x3 pixels but got 2x2'],
    [{ shareModule: 'yes' as never }, 'shareModule'],
    [{ depth: 3 } as never, 'depth'],
  ])('refuses %j', (options, message) => {
    expect(() => buildCyclicNetworks({ ...tiny, ...options })).toThrow(message);
  });

  it.each([
    ['FairDARTS_a', 'expected a decision of pairs'],
    ['NASNet', 'nodes of the normal cell'],
  ])('refuses the decision %s', (name, message) => {
    expect(() => evaluation(genotypes[name])).toThrow(message);
  });
});

describe('a pair of networks of NAS-Bench-201', () => {
  const { search, candidates, evaluation, joint } = buildCyclicNetworks({ ...cifar, space: 'nasbench201' });
  const nodeOf = (graph: Graph, id: number) => graph.nodes[id];

  it('has the cells and blocks of both, and a head behind each block', () => {
    const supernet = buildSupernet({ ...cifar, space: 'nasbench201' });
    const own = namesOf(search.graph).filter((name) => !name.includes('aux_head'));
    expect(own.toSorted()).toEqual(
      namesOf(supernet.graph)
        .map((name) => (name.startsWith('alphas') ? name : `search.${name}`))
        .toSorted(),
    );
    const heads = namesOf(search.graph).filter((name) => name.includes('aux_head'));
    expect(new Set(heads.map((name) => name.split('.').slice(0, 3).join('.')))).toEqual(
      new Set(['search.aux_head.5', 'search.aux_head.11']),
    );
    // Those of CIFAR-10 but that 32 and 64 channels come in, rather than 128 and 256.
    const convolved = (32 + 64 - 128 - 256) * 128;
    expect(costOf(search.graph).parameters).toBe(costOf(supernet.graph).parameters + 850_964 + convolved);
    for (const [index, head] of search.heads.entries()) {
      const conv = search.graph.nodes.find(
        (node) => node.op === 'conv2d' && node.weight === `search.aux_head.${[5, 11][index]}.features.2.weight`,
      )!;
      const [relu] = nodeOf(search.graph, conv.inputs[0]).inputs;
      const [detached] = nodeOf(search.graph, relu).inputs;
      const block = nodeOf(search.graph, nodeOf(search.graph, detached).inputs[0]);
      expect(block).toMatchObject({
        op: 'add',
        shape: [
          [16, 16, 32],
          [8, 8, 64],
        ][index],
      });
      expect(nodeOf(search.graph, head).shape).toEqual([10]);
    }
  });

  it('has an affine part in the batch normalisations of cells of the evaluation network alone', () => {
    const affine = (graph: Graph) => namesOf(graph).filter((name) => /edges.*op\.2\.(weight|bias)$/.test(name));
    expect(affine(search.graph)).toEqual([]);
    // Two convolutions on each of 6 edges, in 15 cells.
    expect(affine(candidates)).toHaveLength(2 * 2 * 6 * 15);
    expect(groupsOf(candidates)).toContain(candidateGroup('cell', 5, 3));
    expect(candidates.parameters.filter(({ group }) => group === candidateGroup('cell', 5, 3))).toHaveLength(15 * 3);
  });

  it.each([
    ['nothing', '|none~0|+|none~0|none~1|+|none~0|none~1|none~2|', []],
    ['some edges', '|none~0|+|nor_conv_1x1~0|none~1|+|none~0|none~1|nor_conv_3x3~2|', [1, 5]],
  ])('runs what a decision chose: %s', async (_, text, rows) => {
    const small = buildCyclicNetworks({
      ...{ inputShape: [16, 16, 3], classes: 3, initChannels: 2, layers: 3, evaluationLayers: 6 },
      space: 'nasbench201',
    });
    const chosen = parseGenotype(text);
    const running = [...groupsOf(small.evaluation(chosen).graph)].filter((group) => /\.cell\./.test(group ?? ''));
    expect(running).toEqual(rows.map((row) => candidateGroup('cell', row, row === 1 ? 2 : 3)));
    using device = await openDevice({ backend: 'cpu', threads: 1 });
    using parameters = await device.createParameters([small.search.graph, small.layout], { seed: 3 });
    const losses = {
      lossAlpha: 1,
      temperature: 2,
      distance: 'smoothl1',
      detachTeacher: false,
      rowMeans: false,
    } as const;
    const { graph } = small.joint(chosen, losses);
    using program = await device.compile(graph, { parameters, batchSize: 2 });
    const images = uniform({ seed: 1, purpose: 'weights', epoch: 0, step: 0 }, 2 * 16 * 16 * 3);
    const batch = { inputs: { images: Float32Array.from(images) }, labels: Int32Array.of(0, 2) };
    const [{ loss }] = await device.execute([{ kind: 'gradients', program, batch, target: 'both' }]);
    expect(loss).toBeGreaterThan(1);
    const linear = (await parameters.gradient('evaluation.classifier.bias')).data;
    expect(linear.some((value) => value !== 0)).toBe(true);
    const { data } = await parameters.gradient('evaluation.cells.0.edges.2<-0.2.op.1.weight');
    expect(data.every((value) => value === 0)).toBe(rows.length === 0);
  });

  it.each<[Partial<CyclicOptions>, string]>([
    [{ layers: 4 }, 'expected a multiple of 3'],
    [{ evaluationLayers: 20 }, 'expected a multiple of 3'],
    [{ stemMultiplier: 3 }, 'expected 1 in a nasbench201 network for stemMultiplier'],
    [{ stem: 'large' }, "expected 'small'"],
  ])('refuses %j', (options, message) => {
    expect(() => buildCyclicNetworks({ ...cifar, space: 'nasbench201', ...options })).toThrow(message);
  });

  it('refuses a decision of another form or space', () => {
    expect(() => evaluation(decision)).toThrow('expected a decision of one cell');
    const other = parseGenotype('|none~0|+|none~0|none~1|+|none~0|none~1|dil_sepc_3x3~2|');
    expect(() => joint(other, {} as never)).toThrow('the edge cell.2.2');
  });
});

describe('a pass of one of the networks', () => {
  it('moves the statistics of heads, and no gradient comes from them', async () => {
    const { search, candidates, evaluation } = buildCyclicNetworks(tiny);
    const chosen = evaluation(decision);
    using device = await openDevice({ backend: 'cpu', threads: 1 });
    using parameters = await device.createParameters([search.graph, candidates], { seed: 3 });
    const mean = async () => [...(await parameters.get('search.aux_head.1.features.6.running_mean')).data];
    const images = uniform({ seed: 1, purpose: 'weights', epoch: 0, step: 0 }, 4 * 12 * 12 * 3);
    const batch = { inputs: { images: Float32Array.from(images) }, labels: Int32Array.of(0, 1, 2, 0) };
    let last = await mean();
    for (const network of [search, chosen]) {
      using program = await device.compile(network.graph, { parameters, batchSize: 4 });
      const [{ outputs }] = await device.execute([
        { kind: 'gradients', program, batch, target: 'weights', read: [...network.heads] },
      ]);
      for (const head of network.heads) expect(new Set(outputs!.get(head)).size).toBeGreaterThan(3);
      const moved = await mean();
      expect(moved).not.toEqual(last);
      last = moved;
      const head = await parameters.gradient('search.aux_head.2.classifier.weight');
      expect(head.data.every((value) => value === 0)).toBe(true);
      const stem = await parameters.gradient('search.stem.0.weight');
      expect(stem.data.some((value) => value !== 0)).toBe(true);
    }
  });
});
