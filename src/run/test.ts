import type { BackendName, Device } from '../backend/device.ts';
import { openDevice } from '../backend/open.ts';
import { createProgramSet } from '../backend/programs.ts';
import type { Dataset, ImageSet } from '../data/dataset.ts';
import { type DatasetName, isInFiles, loadDataset } from '../data/load.ts';
import { AbortedError, invalid } from '../errors.ts';
import { testBatches } from '../evaluate/batches.ts';
import { openFeed } from '../evaluate/feed.ts';
import { type Score, scoreImages } from '../evaluate/score.ts';
import { sizesOfWeights } from '../exchange/network_sizes.ts';
import { decodeMetadata, type WeightMetadata } from '../exchange/weight_metadata.ts';
import { readWeights } from '../exchange/weights.ts';
import type { UnreadableImage } from '../load/loader.ts';
import { checkWorkers, ImagePool } from '../load/pool.ts';
import type { Genotype } from '../network/genotype.ts';
import { refuseBesideOwnDataset } from './run_options.ts';
import { buildTrainNetworks, testImagesOf } from './train_method.ts';

/** Options of a test. */
export interface TestOptions {
  readonly genotype: Genotype;
  /** A file of the network's weights under the published names, safetensors or of PyTorch; its size follows from them. */
  readonly weights: string;
  /** Whether averaged weights are taken where the file holds them beside the plain ones; true when absent. */
  readonly averages?: boolean;
  /** A known dataset's name or images of your own. */
  readonly dataset: DatasetName | Dataset<ImageSet>;
  /** Folder of a named dataset's files. */
  readonly dataDir?: string;
  /** Training images that a training used; they decide a dataset's statistics where the weights do not tell them. */
  readonly limit?: number;
  /** Height and width that the image files of a named dataset are brought to; the training's when absent, or else 224. */
  readonly imageSize?: number;
  readonly batchSize?: number;
  readonly backend?: 'auto' | BackendName;
  readonly threads?: number;
  readonly index?: number;
  /** Threads that read images ahead; one per core, 16 at most, when absent. */
  readonly workers?: number;
  /** Run on this device instead of opening one; it is not disposed. */
  readonly device?: Device;
  readonly signal?: AbortSignal;
  /** Told how many of the images are done. */
  readonly onProgress?: (done: number, images: number) => void;
}

/** What a network scores on the test images. */
export interface TestResult extends Score {
  /** Image files that could not be read and were left out. */
  readonly unreadable: readonly UnreadableImage[];
  /** The dataset's or, where it names none, those that the weights tell; empty where nobody does. */
  readonly classNames: readonly string[];
  readonly imagesPerSecond: number;
  /** For people. */
  readonly device: string;
  /** What a user should know of the weights, such as that some are NaN; one line each. */
  readonly notices: readonly string[];
}

/**
 * Scores a trained network on a dataset's test images. Rejects with ArgumentError, DataError, FileError, BackendError or
 * AbortedError.
 */
export async function test(options: TestOptions): Promise<TestResult> {
  const { genotype, weights, signal, batchSize = 96 } = options;
  if (signal?.aborted) throw new AbortedError();
  if (!(Number.isInteger(batchSize) && batchSize >= 1)) throw invalid('batchSize', 'a positive integer', batchSize);
  if (options.workers !== undefined) checkWorkers(options.workers);
  refuseBesideOwnDataset(options);
  const file = await readWeights(weights, options);
  const known = decodeMetadata(file.metadata);
  const dataset = await resolveDataset(options, known);
  const { classes } = dataset;
  const images = testImagesOf(dataset);
  const sizes = sizesOfWeights(file.tensors, weights);
  const networks = buildTrainNetworks(genotype, dataset, { ...plainTraining, ...sizes });
  const { backend, threads, index } = options;
  const device = options.device ?? (await openDevice({ backend, threads, index }));
  try {
    using parameters = await device.createParameters(networks.training.graph, { seed: 0 });
    await parameters.assign(file.tensors, weights);
    using programs = createProgramSet(device, networks.plain.graph, parameters, 'fp32');
    using pool = new ImagePool(options.workers);
    using feed = openFeed(device, images, { pool, seed: 0 });
    const began = performance.now();
    const count = images.labels.length;
    const score = await scoreImages({
      device,
      programFor: programs.programFor,
      logits: networks.plain.logits,
      classes,
      batches: testBatches(feed, statisticsOf(known, dataset), batchSize, signal),
      signal,
      onProgress: (done) => options.onProgress?.(done, count),
    });
    const imagesPerSecond = (1000 * score.images) / (performance.now() - began);
    const unreadable = feed.takeUnreadable();
    const classNames = classNamesOf(known, dataset);
    const { notices } = file;
    return { ...score, unreadable, classNames, imagesPerSecond, device: device.description, notices };
  } finally {
    if (options.device === undefined) device.dispose();
  }
}

async function resolveDataset(
  { dataset, dataDir, limit, imageSize, signal }: TestOptions,
  { imageShape }: WeightMetadata,
): Promise<Dataset<ImageSet>> {
  if (typeof dataset !== 'string') return dataset;
  const trained = isInFiles(dataset) ? imageShape?.[0] : undefined;
  return loadDataset(dataset, { dataDir, limit, imageSize: imageSize ?? trained, signal });
}

/** The network as it is scored; what only training needs has no parameters. */
const plainTraining = { auxiliaryWeight: 0, dropPathProb: 0, labelSmooth: 0 };

/** The training's where its weights tell them: those of a dataset may depend on how many images were read. */
function statisticsOf(
  { mean, deviation }: WeightMetadata,
  dataset: Dataset<ImageSet>,
): Pick<Dataset, 'mean' | 'deviation'> {
  const channels = dataset.train.shape[2];
  return mean?.length === channels && deviation?.length === channels ? { mean, deviation } : dataset;
}

/** Images in memory often come without names, but the training may have known them. */
function classNamesOf(known: WeightMetadata, { classNames, classes }: Dataset<ImageSet>): readonly string[] {
  if (classNames.length > 0) return classNames;
  return known.classNames?.length === classes ? known.classNames : [];
}
