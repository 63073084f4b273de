// The network of NAS-Bench-201 against the published counts, names and cells (arXiv:2001.00326).
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { parseGenotype } from '../../../src/genotype/text.ts';
import { buildDerivedNetwork } from '../../../src/network/derived.ts';
import { buildSupernet } from '../../../src/network/supernet.ts';
import { costOf } from '../../../src/report/cost.ts';
import type { Skeleton } from '../../../src/skeleton/skeleton.ts';
import { skeletons } from '../../../src/skeleton/skeletons.ts';
import { spaces } from '../../../src/space/space.ts';

const cifar = { inputShape: [32, 32, 3], classes: 10 } as const;
const small = { inputShape: [16, 16, 3], classes: 120 } as const;
const noEdges = '|none~0|+|none~0|none~1|+|none~0|none~1|none~2|';
const mixed = '|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|';
const derivedCost = (text: string, sizes: { inputShape: readonly [number, number, number]; classes: number }) =>
  costOf(buildDerivedNetwork({ genotype: parseGenotype(text), ...sizes }).graph);

describe('the supernet of NAS-Bench-201', () => {
  it.each([
    [10, 1_686_106],
    [100, 1_691_956],
    [120, 1_693_256],
  ])('of %i classes has the published number of weights', (classes, parameters) => {
    const { graph } = buildSupernet({ ...cifar, space: 'nasbench201', classes });
    expect(costOf(graph)).toMatchObject({ parameters, architectureParameters: 30 });
  });

  it('names its parameters as published, in the published order', () => {
    const { graph, tables } = buildSupernet({ ...cifar, space: 'nasbench201', layers: 3 });
    const norm = (name: string, affine = true) => [
      ...(affine ? [`${name}.weight`, `${name}.bias`] : []),
      ...[`${name}.running_mean`, `${name}.running_var`],
    ];
    const cell = (index: number) =>
      ['1<-0', '2<-0', '2<-1', '3<-0', '3<-1', '3<-2'].flatMap((edge) =>
        [2, 3].flatMap((k) => {
          const name = `cells.${index}.edges.${edge}.${k}`;
          return [`${name}.op.1.weight`, ...norm(`${name}.op.2`, false)];
        }),
      );
    const block = (index: number) => [
      ...['a', 'b'].flatMap((conv) => {
        const name = `cells.${index}.conv_${conv}`;
        return [`${name}.op.1.weight`, ...norm(`${name}.op.2`)];
      }),
      `cells.${index}.downsample.1.weight`,
    ];
    expect(graph.parameters.map(({ name }) => name)).toEqual([
      ...['alphas_cell', 'stem.0.weight', ...norm('stem.1')],
      ...[...cell(0), ...block(1), ...cell(2), ...block(3), ...cell(4)],
      ...[...norm('lastact.0'), 'classifier.weight', 'classifier.bias'],
    ]);
    expect(tables['cell']).toMatchObject({ name: 'alphas_cell', rowLengths: Array(6).fill(5) });
    expect(tables['cell'].edges.map(({ node, input }) => `${node + 1}<-${input}`).join(' ')).toBe(
      '1<-0 2<-0 2<-1 3<-0 3<-1 3<-2',
    );
  });

  it.each([
    ['nas-bench-201-simple', 4],
    ['nas-bench-201-s2', 2],
    ['nas-bench-201-s4', 2],
    ['nas-bench-201-s10', 2],
    ['connect-nas', 3],
  ])('has the subset %s of %i candidates', (space, count) => {
    const { tables } = buildSupernet({ ...cifar, space, layers: 3 });
    expect(tables['cell'].rowLengths).toEqual(Array(6).fill(count));
  });

  it.each<[object, string]>([
    [{ layers: 5 }, 'a multiple of 3 (cells of a nasbench201 network, as many in each stage) for layers'],
    [{ layers: 0 }, 'layers'],
    [{ inputShape: [30, 32, 3] }, '28x32 or 32 for the height and width of inputShape but received 30x32 (cells.11:'],
    [{ stemMultiplier: 3 }, '1 in a nasbench201 network for stemMultiplier'],
    [{ auxiliaryWeight: 0.4 }, 'no auxiliary head'],
    [
      { space: { ...spaces['nasbench201'], sharedAlpha: false } },
      'true, as all cells of a nasbench201 network are one',
    ],
    [{ space: { ...spaces['nasbench201'], candidates: ['sep_conv_3x3'] } }, 'from state 0 to node 0 of the cell'],
    [{ space: { ...spaces['nasbench201'], skeleton: 'nasbench' } }, 'Did you mean nasbench201?'],
    [{ space: { ...spaces['nasbench201'], skeleton: { name: 'mine' } } }, 'skeleton.cells'],
    [{ space: { ...spaces['nasbench201'], skeleton: { ...skeletons.nasbench201 } } }, 'a name of its own'],
  ])('refuses %o', (options, message) => {
    const build = () => buildSupernet({ ...cifar, space: 'nasbench201', ...options });
    expect(build).toThrow(ArgumentError);
    expect(build).toThrow(message);
  });
});

describe('the derived network of NAS-Bench-201', () => {
  it.each([
    [noEdges, 10, 73_306, 7_783_050],
    [noEdges, 100, 79_156, 7_788_900],
    [mixed, 10, 73_306 + 28_000 + 2 * 243_040, 7_783_050 + 3_932_160 + 2 * 35_389_440],
  ])('of %s with %i classes has the published weights and FLOPs', (text, classes, parameters, nasbench201Flops) => {
    expect(derivedCost(text, { ...cifar, classes })).toMatchObject({ parameters, nasbench201Flops });
  });

  it('of 16x16 images too', () => {
    expect(derivedCost(noEdges, small)).toMatchObject({ parameters: 80_456, nasbench201Flops: 1_953_400 });
    const flops = 1_953_400 + (3_932_160 + 2 * 35_389_440) / 4;
    expect(derivedCost(mixed, small).nasbench201Flops).toBe(flops);
  });

  it('numbers the operations of a cell through', () => {
    const { graph } = buildDerivedNetwork({ genotype: parseGenotype(mixed), ...cifar, layers: 3 });
    const names = graph.parameters.map(({ name }) => name).filter((name) => name.startsWith('cells.2.'));
    const conv = (q: number) =>
      ['op.1.weight', 'op.2.weight', 'op.2.bias', 'op.2.running_mean', 'op.2.running_var'].map(
        (name) => `cells.2.layers.${q}.${name}`,
      );
    expect(names).toEqual([...conv(0), ...conv(1), ...conv(5)]);
  });

  it.each<[object, string]>([
    [{ layers: 20 }, 'a multiple of 3'],
    [{ stem: 'large' }, "'small' (a nasbench201 network has no other) for stem"],
    [{ auxiliaryWeight: 0.4 }, 'no auxiliary head'],
    [{ normalisePooling: true }, 'false in a nasbench201 network for normalisePooling'],
    [{ keepNone: true }, 'false in a nasbench201 network for keepNone'],
    [{ genotype: parseGenotype('|sep_conv_3x3~0|') }, 'for an operation of the genotype'],
    [{ skeleton: 'darts' }, 'one of normal and reduction cells for the genotype of a darts network'],
    [{ genotype: genotypes['DARTS_V2'], skeleton: 'nasbench201' }, 'one of a single cell, such as |nor_conv_3x3~0|'],
    [{ genotype: genotypes['FairDARTS_a'], skeleton: 'nasbench201' }, 'for the genotype of a nasbench201 network'],
  ])('refuses %o', (options, message) => {
    const build = () => buildDerivedNetwork({ genotype: parseGenotype(mixed), ...cifar, ...options });
    expect(build).toThrow(ArgumentError);
    expect(build).toThrow(message);
  });
});

describe('a skeleton of your own', () => {
  const skeleton: Skeleton = {
    ...skeletons.nasbench201,
    name: 'one stage',
    kindsOf: (layers) => Array(layers).fill('cell'),
    build: (builder, { inputShape, classes, initChannels: channels, layers }, buildCell) => {
      let output = builder.conv2d('stem', builder.input('images', inputShape), { channels, kernel: 3, padding: 1 });
      for (let index = 0; index < layers; index++) {
        const layer = `cells.${index}`;
        output = buildCell(builder.within(layer), [output], { kind: 'cell', layer, channels });
      }
      const logits = builder.linear('classifier', builder.globalAvgPool(output), classes);
      return { graph: builder.finish(builder.softmaxCrossEntropy(logits)), logits: logits.id };
    },
  };

  it('is built of the cells of a space and of a genotype', () => {
    const { graph } = buildSupernet({ ...cifar, space: { ...spaces['nasbench201'], skeleton }, layers: 2 });
    expect(graph.nodes.filter(({ op }) => op === 'mixed')).toHaveLength(12);
    const { graph: derived } = buildDerivedNetwork({ genotype: parseGenotype(mixed), skeleton, ...cifar, layers: 2 });
    expect(derived.parameters.at(-3)?.name).toBe('cells.1.layers.5.op.2.running_var');
  });
});
