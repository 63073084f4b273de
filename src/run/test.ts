import type { BackendName, Device } from '../backend/device.ts';
import { openDevice } from '../backend/open.ts';
import type { Dataset } from '../data/dataset.ts';
import { type DatasetName, loadDataset } from '../data/load.ts';
import { AbortedError, DataError, invalid } from '../errors.ts';
import { testBatches } from '../evaluate/batches.ts';
import { type Score, scoreImages } from '../evaluate/score.ts';
import { sizesOfWeights } from '../exchange/network_sizes.ts';
import { decodeMetadata } from '../exchange/weight_metadata.ts';
import { readWeights, type WeightFile } from '../exchange/weights.ts';
import type { Genotype } from '../network/genotype.ts';
import { createProgramSet } from '../search/programs.ts';
import { buildTrainNetworks } from './train_method.ts';

/** Options of a test. */
export interface TestOptions {
  readonly genotype: Genotype;
  /** A file of the network's weights under the published names, safetensors or of PyTorch; its size follows from them. */
  readonly weights: string;
  /** A known dataset's name or images in memory. */
  readonly dataset: DatasetName | Dataset;
  /** Folder of a named dataset's files. */
  readonly dataDir?: string;
  readonly batchSize?: number;
  readonly backend?: 'auto' | BackendName;
  readonly threads?: number;
  readonly index?: number;
  /** Run on this device instead of opening one; it is not disposed. */
  readonly device?: Device;
  readonly signal?: AbortSignal;
  /** Told how many of the images are done. */
  readonly onProgress?: (done: number, images: number) => void;
}

/** What a network scores on the test images. */
export interface TestResult extends Score {
  readonly images: number;
  readonly classNames: readonly string[];
  readonly imagesPerSecond: number;
  /** For people. */
  readonly device: string;
}

/**
 * Scores a trained network on a dataset's test images. Rejects with ArgumentError, DataError, FileError, BackendError or
 * AbortedError.
 */
export async function test(options: TestOptions): Promise<TestResult> {
  const { genotype, weights, signal, batchSize = 96 } = options;
  if (signal?.aborted) throw new AbortedError();
  if (!(Number.isInteger(batchSize) && batchSize >= 1)) throw invalid('batchSize', 'a positive integer', batchSize);
  const dataset =
    typeof options.dataset === 'string'
      ? await loadDataset(options.dataset, { dataDir: options.dataDir, signal })
      : options.dataset;
  const { test: images, classes, classNames } = dataset;
  if (images === undefined) throw new DataError(`dataset '${dataset.name}' has no test images`);
  const file = await readWeights(weights);
  const sizes = sizesOfWeights(file.tensors, weights);
  const networks = buildTrainNetworks(genotype, dataset, { ...plainTraining, ...sizes });
  const { backend, threads, index } = options;
  const device = options.device ?? (await openDevice({ backend, threads, index }));
  try {
    using parameters = await device.createParameters(networks.training.graph, { seed: 0 });
    await parameters.assign(file.tensors, weights);
    using programs = createProgramSet(device, networks.plain.graph, parameters, 'fp32');
    using onDevice = device.createDataset(images);
    const began = performance.now();
    const count = images.labels.length;
    const score = await scoreImages({
      device,
      programFor: programs.programFor,
      logits: networks.plain.logits,
      classes,
      batches: testBatches(onDevice, statisticsOf(file, dataset), batchSize),
      labels: images.labels,
      signal,
      onProgress: (done) => options.onProgress?.(done, count),
    });
    const imagesPerSecond = (1000 * count) / (performance.now() - began);
    return { ...score, images: count, classNames, imagesPerSecond, device: device.description };
  } finally {
    if (options.device === undefined) device.dispose();
  }
}

/** The network as it is scored; what only training needs has no parameters. */
const plainTraining = { auxiliaryWeight: 0, dropPathProb: 0, labelSmooth: 0 };

/** The training's where its weights tell them: those of a dataset may depend on how many images were read. */
function statisticsOf({ metadata }: WeightFile, dataset: Dataset): Pick<Dataset, 'mean' | 'deviation'> {
  const { mean, deviation } = decodeMetadata(metadata);
  const channels = dataset.train.shape[2];
  return mean?.length === channels && deviation?.length === channels ? { mean, deviation } : dataset;
}
