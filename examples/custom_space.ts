// Searches over a candidate operation of one's own: npx tsx examples/custom_space.ts [IMAGES [EPOCHS]]
import { formatGenotype, type Operation, type SearchSpace, search } from 'dartsmith';

/** Widens to twice the channels, filters each on its own, and narrows again. */
const invertedBottleneck: Operation = (builder, input, { channels, stride, affine }) => {
  const wide = 2 * channels;
  const expanded = builder.conv2d('expand', builder.relu(input), { channels: wide, kernel: 1 });
  const normed = builder.batchNorm('bn1', expanded, { affine });
  const window = { channels: wide, groups: wide, kernel: 3, padding: 1, stride };
  const filtered = builder.conv2d('filter', builder.relu(normed), window);
  return builder.batchNorm('bn2', builder.conv2d('project', filtered, { channels, kernel: 1 }), { affine });
};

const bottleneck = { name: 'inverted_bottleneck', build: invertedBottleneck };
const space: SearchSpace = {
  name: 'bottlenecks',
  nodes: 2,
  // Reduction cells choose between poolings and the bottleneck, normal cells may keep their input as it is.
  candidates: ({ cell }) =>
    cell === 'reduce' ? ['max_pool_3x3', 'avg_pool_3x3', bottleneck] : ['skip_connect', 'dil_conv_3x3', bottleneck],
};

const [images = 2000, epochs = 2] = process.argv.slice(2).map(Number);
const { genotype } = await search({ space, limit: images, settings: { epochs }, seed: 1 }).result;
console.log(formatGenotype(genotype));
