// The network of NAS-Bench-201 (Dong and Yang, arXiv:2001.00326).
import { invalid } from '../errors.ts';
import { type CellKind, cellKey, oneCell } from '../genotype/genotype.ts';
import type { GraphBuilder, Tensor } from '../graph/builder.ts';
import { LayerSizeError } from '../operation/layer_size.ts';
import { nasbench201Operations } from '../operation/nasbench201.ts';
import {
  type CellBuilder,
  checkDepth,
  checkStack,
  type Network,
  type Skeleton,
  type StackOptions,
} from './skeleton.ts';

/** Stages of as many cells each; a residual block leads from one to the next. */
const stages = 3;

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
  build,
};

function kindsOf(layers: number): CellKind[] {
  checkDepth(layers);
  if (layers % stages !== 0) {
    throw invalid('layers', `a multiple of ${stages} (cells of a nasbench201 network, as many in each stage)`, layers);
  }
  return Array<CellKind>(layers).fill(oneCell);
}

function build(builder: GraphBuilder, options: StackOptions, buildCell: CellBuilder): Network {
  checkOptions(options);
  const { initChannels, classes, labelSmoothing: smoothing } = options;
  const stem = builder.conv2d('stem.0', builder.input('images', options.inputShape), {
    ...{ channels: initChannels, kernel: 3, padding: 1 },
  });
  let output = builder.batchNorm('stem.1', stem, { affine: true });
  let index = 0;
  const cells = kindsOf(options.layers).length / stages;
  for (let stage = 0; stage < stages; stage++) {
    const channels = initChannels * 2 ** stage;
    if (stage > 0) output = residualBlock(builder, output, cellKey(index++), channels);
    for (let cell = 0; cell < cells; cell++) {
      const layer = cellKey(index++);
      output = buildCell(builder.within(layer), [output], { kind: oneCell, layer, channels });
    }
  }
  const active = builder.relu(builder.batchNorm('lastact.0', output, { affine: true }));
  const logits = builder.linear('classifier', builder.globalAvgPool(active), classes);
  return { graph: builder.finish(builder.softmaxCrossEntropy(logits, { smoothing })), logits: logits.id };
}

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
function checkOptions(options: StackOptions): void {
  checkStack(options);
  const { stem = 'small', stemMultiplier = 1, auxiliaryWeight } = options;
  if (stem !== 'small') throw invalid('stem', "'small' (a nasbench201 network has no other)", stem);
  if (stemMultiplier !== 1) throw invalid('stemMultiplier', '1 in a nasbench201 network', stemMultiplier);
  if (auxiliaryWeight === undefined) return;
  throw invalid(
    'auxiliaryWeight',
    'none (--no-auxiliary), as a nasbench201 network has no auxiliary head,',
    auxiliaryWeight,
  );
}
