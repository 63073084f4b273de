// The network of NAS-Bench-201 (Dong and Yang, arXiv:2001.00326).
import { invalid } from '../errors.ts';
import { type CellKind, cellKey, oneCell } from '../genotype/genotype.ts';
import type { GraphBuilder, Tensor } from '../graph/builder.ts';
import { LayerSizeError } from '../operation/layer_size.ts';
import { nasbench201Operations } from '../operation/nasbench201.ts';
import { checkDepth, type Skeleton, type Stack, type StackOptions, stackedNetworks } from './skeleton.ts';

/** Stages of as many cells each; a residual block leads from one to the next. */
const stages = 3;

function kindsOf(layers: number): CellKind[] {
  checkDepth(layers);
  if (layers % stages !== 0) {
    throw invalid('layers', `a multiple of ${stages} (cells of a nasbench201 network, as many in each stage)`, layers);
  }
  return Array<CellKind>(layers).fill(oneCell);
}

/** Numbers of the blocks, which are counted with the cells. */
function blocksOf(layers: number): number[] {
  const cells = kindsOf(layers).length / stages;
  return Array.from({ length: stages - 1 }, (_, stage) => (stage + 1) * cells + stage);
}

const stack: Stack = (
  builder,
  images,
  options,
  buildCell,
  { stem = builder, classifier = builder, behindReduction } = {},
) => {
  checkOptions(options);
  const { initChannels, layers, classes } = options;
  const first = stem.conv2d('stem.0', images, { channels: initChannels, kernel: 3, padding: 1 });
  let output = stem.batchNorm('stem.1', first, { affine: true });
  let channels = initChannels;
  const blocks = blocksOf(layers);
  for (let index = 0; index < layers + blocks.length; index++) {
    const layer = cellKey(index);
    if (blocks.includes(index)) {
      channels *= 2;
      output = residualBlock(builder, output, layer, channels);
      behindReduction?.(output);
    } else {
      output = buildCell(builder.within(layer), [output], { kind: oneCell, layer, channels });
    }
  }
  const active = builder.relu(builder.batchNorm('lastact.0', output, { affine: true }));
  return { logits: classifier.linear('classifier', builder.globalAvgPool(active), classes) };
};

/** Three stages of cells that are all alike, of once, twice and four times the channels. `layers` counts cells, no blocks. */
export const nasbench201Skeleton: Skeleton = {
  name: 'nasbench201',
  cells: 'one',
  operations: nasbench201Operations,
  runsAll: true,
  affineNorms: true,
  hasAuxiliaryHead: false,
  variants: [],
  usual: { supernet: { initChannels: 16, layers: 15 }, derived: { initChannels: 16, layers: 15 } },
  kindsOf,
  strideOf: () => 1,
  candidateName: ({ node, input }, candidate) => `edges.${node + 1}<-${input}.${candidate}`,
  operationName: (_edge, position) => `layers.${position}`,
  paired: { stack, reductionsOf: blocksOf },
  build: stackedNetworks(stack),
};

/** Two 3x3 convolutions, of which the first halves height and width, beside an average that does. */
function residualBlock(network: GraphBuilder, input: Tensor, layer: string, channels: number): Tensor {
  const [height, width] = input.shape;
  if (height % 2 !== 0 || width % 2 !== 0) {
    throw new LayerSizeError(`${layer}: residual block expected an even height and width but got ${height}x${width}`);
  }
  const builder = network.within(layer);
  const conv = (name: string, from: Tensor, stride: 1 | 2) => {
    const output = builder.conv2d(`${name}.op.1`, builder.relu(from), { channels, kernel: 3, stride, padding: 1 });
    return builder.batchNorm(`${name}.op.2`, output, { affine: true });
  };
  const output = conv('conv_b', conv('conv_a', input, 2), 1);
  const small = builder.avgPool(input, { kernel: 2, stride: 2 });
  return builder.add([builder.conv2d('downsample.1', small, { channels, kernel: 1 }), output]);
}

/** What DARTS' network has and this one has not. */
function checkOptions({ stem = 'small', stemMultiplier = 1, auxiliaryWeight }: StackOptions): void {
  if (stem !== 'small') throw invalid('stem', "'small' (a nasbench201 network has no other)", stem);
  if (stemMultiplier !== 1) throw invalid('stemMultiplier', '1 in a nasbench201 network', stemMultiplier);
  if (auxiliaryWeight === undefined) return;
  throw invalid(
    'auxiliaryWeight',
    'none (--no-auxiliary), as a nasbench201 network has no auxiliary head,',
    auxiliaryWeight,
  );
}
