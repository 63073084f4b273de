// What a user's program sees of the types: compiled, never run, against the packed package (test/package) and the checkout alike.
import {
  ArgumentError,
  type AverageCommand,
  type Command,
  type CopyCommand,
  correlateAlpha,
  DartsmithError,
  type Dataset,
  type Device,
  type ErrorCode,
  type Genotype,
  GraphBuilder,
  genotypes,
  type ImageSet,
  loadDataset,
  type Moved,
  type NamedTensor,
  type NoiseDistribution,
  type Operation,
  openDevice,
  openNasBench201,
  type ParametersOptions,
  type Penalty,
  type PenaltyCommand,
  penalties,
  type SearchEvent,
  type SearchResult,
  search,
  type Tensor,
  train,
} from 'dartsmith';
import { kernels, openKernel } from 'dartsmith/kernels';
import { openTfjsDevice, type Platform } from 'dartsmith/tfjs';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles where `Claim` is true. */
function holds<Claim extends true>(..._: Claim[]): void {}

export async function runs(signal: AbortSignal): Promise<Genotype> {
  const run = search({ dataset: 'mnist', settings: { epochs: 1, unrolled: true }, backend: 'cpu', threads: 2, signal });
  holds<Equal<typeof run.result, Promise<SearchResult>>>();
  for await (const event of run) {
    holds<Equal<typeof event, SearchEvent>>();
    if (event.type === 'step') holds<Equal<typeof event.loss, number>>();
    if (event.type === 'genotype') holds<Equal<typeof event.genotype, Genotype>>();
    // @ts-expect-error A step has no genotype.
    if (event.type === 'step') event.genotype;
    // @ts-expect-error A search scores no files of its own.
    if (event.type === 'unreadable') return event;
  }
  // @ts-expect-error Settings are told by name.
  search({ settings: { epoch: 1 } });
  const fair = search({ method: 'fairdarts', preset: 'paper', settings: { auxLossWeight: 8, parseMethod: 'darts' } });
  for await (const event of fair) if (event.type === 'epoch') event.zeroOneLoss?.toFixed(3);
  search({ method: 'darts' });
  // @ts-expect-error No such backend.
  search({ backend: 'gpu' });
  const { genotype } = await run.result;
  // @ts-expect-error What a run found is not to be changed.
  genotype.normal.concat.push(6);
  for await (const event of train({ genotype, settings: { epochs: 1 } })) if (event.type === 'unreadable') event.count;
  // @ts-expect-error A training's settings are not a search's.
  train({ genotype, settings: { unrolled: true } });
  const { correlation } = await correlateAlpha({ run: 'runs/mine', edge: 'normal.0.1', settings: { epochs: 1 } });
  holds<Equal<typeof correlation.pearson.coefficient, number | null>>();
  const bench = await openNasBench201('nasbench201.csv');
  holds<Equal<ReturnType<typeof bench.accuracy>, number | undefined>>();
  // @ts-expect-error No operation of the benchmark.
  bench.query(['none', 'none', 'none', 'none', 'none', 'sep_conv_3x3']);
  // @ts-expect-error Candidates are trained, with the settings of a training.
  correlateAlpha({ run: 'runs/mine', settings: { unrolled: true } });
  return genotypes.DARTS_V2;
}

export async function data(): Promise<void> {
  const inMemory = await loadDataset('cifar10', { limit: 100 });
  holds<Equal<typeof inMemory, Dataset>>();
  holds<Equal<typeof inMemory.train.images, Uint8Array>>();
  const anywhere = await loadDataset('folder', { dataDir: 'images' });
  holds<Equal<typeof anywhere, Dataset<ImageSet>>>();
  // @ts-expect-error Images in files have no bytes yet.
  anywhere.train.images;
  // @ts-expect-error No such dataset.
  await loadDataset('cifar');
}

export async function graphs(): Promise<void> {
  const builder = new GraphBuilder();
  const image: Tensor = builder.input('images', [8, 8, 3]);
  const features = builder.globalAvgPool(
    builder.conv2d('conv', image, { channels: 4, kernel: [3, 1], padding: [1, 0] }),
  );
  const graph = builder.finish(builder.softmaxCrossEntropy(builder.linear('classifier', features, 10)));
  // @ts-expect-error A convolution has channels.
  builder.conv2d('conv', image, { kernel: 3 });

  using device: Device = await openDevice({ backend: 'auto' });
  using parameters = await device.createParameters(graph, { seed: 1 });
  using program = device.compile(graph, { batchSize: 4, parameters, precision: 'bf16' });
  const batch = { inputs: { images: new Float32Array(768) }, labels: new Int32Array(4) };
  const { loss } = await program.gradients({ batch, target: 'weights' });
  holds<Equal<typeof loss, number | undefined>>();
  const weights = await parameters.get('conv.weight');
  holds<Equal<typeof weights, NamedTensor>>();
  const sgd: Command = { kind: 'sgd', parameters, learningRate: 0.1, momentum: 0.9, weightDecay: 0, maxNorm: 5 };
  await device.execute([{ kind: 'gradients', program, batch, target: 'both' }, sgd]);
  const commands: (PenaltyCommand | CopyCommand | AverageCommand)[] = [
    { kind: 'penalty', parameters, penalty: penalties[0] satisfies Penalty, weight: 1 },
    { kind: 'copy', parameters, target: parameters, tensors: { 'classifier.bias': 'other.bias' } },
    { kind: 'average', parameters, averages: parameters, groups: ['weights'], decay: 0.5 },
  ];
  const moved: Moved = { parameters, of: 'alpha' };
  const options: ParametersOptions = { seed: 1, secondMoments: true };
  await device.createParameters([graph, graph], options);
  await device.execute([...commands, { ...sgd, ...moved }]);
  const noise: NoiseDistribution = 'integers';
  builder.noise(image, { distribution: noise });
  // @ts-expect-error Losses are summed with a weight each.
  builder.lossSum([{ loss: features }]);
  // @ts-expect-error No such command.
  await device.execute([{ kind: 'rmsprop', parameters }]);
  // @ts-expect-error No such target.
  await program.gradients({ batch, target: 'all' });
}

export const doubled: Operation = (builder, input, { channels, stride, affine }) =>
  builder.batchNorm('bn', builder.conv2d('conv', input, { channels, kernel: 1, stride }), { affine });

export function errors(error: unknown): ErrorCode | undefined {
  if (error instanceof ArgumentError) holds<Equal<typeof error.code, ErrorCode>>();
  return error instanceof DartsmithError ? error.code : undefined;
}

export async function single(): Promise<void> {
  using device = await openTfjsDevice({ platform: 'wasm' satisfies Platform });
  using kernel = await openKernel(device, { ...kernels.separable({ shape: [8, 8, 16], kernel: 3 }), batchSize: 2 });
  holds<Equal<Awaited<ReturnType<typeof kernel.forward>>, Float32Array>>();
  // @ts-expect-error No such kernel.
  kernels.quicksort;
  // @ts-expect-error No such platform.
  await openTfjsDevice({ platform: 'webgl' });
}
