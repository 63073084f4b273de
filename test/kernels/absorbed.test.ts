// Nodes of a graph that have no kernel of their own, on backends whose other kernels take them along. That the values are right is
// in the tables of cases.ts.
import { expect, it } from 'vitest';
import { openDevice } from '../../src/backend/open.ts';
import { GraphBuilder, type Tensor } from '../../src/graph/builder.ts';

/** The kernels that a pass for weights runs, of a network that makes something of images of 8x8x8. */
async function kernelsOf(backend: 'cpu' | 'simt', make: (builder: GraphBuilder, images: Tensor) => Tensor) {
  const builder = new GraphBuilder();
  const images = builder.input('x', [8, 8, 8]);
  const before = builder.conv2d('before', images, { channels: 8, kernel: 3, padding: 1 });
  const features = builder.globalAvgPool(make(builder, before));
  const graph = builder.finish(builder.softmaxCrossEntropy(builder.linear('classifier', features, 3)));
  using device = await openDevice({ backend });
  using parameters = await device.createParameters(graph, { seed: 0 });
  using program = device.compile(graph, { batchSize: 4, parameters });
  const dropout = { seed: 1, epoch: 0, step: 0 };
  const batch = { inputs: { x: new Float32Array(4 * 512).fill(1) }, labels: new Int32Array(4), dropout };
  const { profile = [] } = await program.gradients({ batch, target: 'weights', profile: true });
  return profile.map(({ kernel }) => kernel);
}

it.each([
  ['cpu', 8],
  ['simt', 8],
  ['simt', 16],
] as const)('drop path before a sum, on %s of %i channels', async (backend, channels) => {
  const kernels = await kernelsOf(backend, (builder, x) => {
    const y = builder.conv2d('widened', x, { channels, kernel: 1 });
    const drop = (term: Tensor) => builder.dropout(term, { rate: 0.4, drops: 'samples' });
    return builder.add([drop(builder.batchNorm('norm', y, { affine: true })), drop(builder.relu(y))]);
  });
  expect(kernels).toContain('combine backward');
  expect(kernels.filter((kernel) => kernel.startsWith('dropout'))).toEqual([]);
});

const backends = ['cpu', 'simt'] as const;

it.each(backends)('a relu before convolutions, one of them behind a crop, on %s', async (backend) => {
  const kernels = await kernelsOf(backend, (builder, x) => {
    const y = builder.relu(x);
    const options = { channels: 8, kernel: 1, stride: 2 };
    return builder.concat([builder.conv2d('a', y, options), builder.conv2d('b', builder.crop(y, 1, 1), options)]);
  });
  expect(kernels).toContain('conv2d backward');
  expect(kernels.filter((kernel) => /^(relu|crop)/.test(kernel))).toEqual([]);
});

it.each(backends)('but not a relu that others read, on %s', async (backend) => {
  const kernels = await kernelsOf(backend, (builder, x) => {
    const y = builder.relu(x);
    return builder.concat([builder.conv2d('a', y, { channels: 8, kernel: 1 }), y]);
  });
  expect(kernels).toContain('relu backward');
});

it('nor, on the CPU, one that larger windows read', async () => {
  const make = (builder: GraphBuilder, x: Tensor) =>
    builder.conv2d('a', builder.relu(x), { channels: 8, kernel: 3, padding: 1 });
  expect(await kernelsOf('cpu', make)).toContain('relu backward');
  expect(await kernelsOf('simt', make)).not.toContain('relu backward');
});

/** Two tensors of 16 channels side by side, and the second. */
function sideBySide(builder: GraphBuilder, x: Tensor) {
  const parts = ['left', 'right'].map((name) => builder.conv2d(name, x, { channels: 16, kernel: 1 }));
  return [builder.concat(parts), parts[1]] as const;
}

it.each(backends)('a concatenation before convolutions, one behind a relu, on %s', async (backend) => {
  const kernels = await kernelsOf(backend, (builder, x) => {
    const [y, part] = sideBySide(builder, x);
    const options = { channels: 16, kernel: 1 };
    const read = [y, builder.relu(y), part].map((input, i) => builder.conv2d(`read${i}`, input, options));
    return builder.add(read);
  });
  expect(kernels).toContain('conv2d backward');
  expect(kernels.filter((kernel) => /^(concat|relu)/.test(kernel))).toEqual([]);
});

it.each<[string, (builder: GraphBuilder, joined: Tensor, part: Tensor) => Tensor]>([
  ['others read', (builder, y) => builder.add([builder.conv2d('read', y, { channels: 32, kernel: 1 }), y])],
  ['larger windows read', (builder, y) => builder.conv2d('read', y, { channels: 16, kernel: 3, padding: 1 })],
  [
    'has a part twice',
    (builder, _, part) => builder.conv2d('read', builder.concat([part, part]), { channels: 16, kernel: 1 }),
  ],
])('but not a concatenation that %s', async (_, make) => {
  for (const backend of backends) {
    const kernels = await kernelsOf(backend, (builder, x) => make(builder, ...sideBySide(builder, x)));
    expect(kernels, backend).toContain('concat backward');
  }
});
