import { aBoolean, aFunction, anInteger, aShareBelowOne } from '../checks.ts';
import { emptyClassNotices, type KnownClasses, labelledFor } from '../data/classes.ts';
import type { ColourProfile, Dataset, ImageSet } from '../data/dataset.ts';
import { type DatasetName, followsImages, isInFiles, loadDataset } from '../data/load.ts';
import { aPortion, holdOut } from '../data/split.ts';
import { DataError, throwIfAborted } from '../errors.ts';
import { chosenWeights } from '../exchange/cdarts_names.ts';
import { type NetworkSizes, sizesOfWeights } from '../exchange/network_sizes.ts';
import { decodeMetadata, type WeightMetadata } from '../exchange/weight_metadata.ts';
import { readWeights } from '../exchange/weights.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { openFeed } from '../learn/feed.ts';
import { createProgramSet } from '../learn/program_set.ts';
import { type Score, scoreImages, tellsTopFive } from '../learn/score.ts';
import { testBatches } from '../learn/train_batches.ts';
import { buildTrainNetworks, testImagesOf } from '../learn/train_networks.ts';
import type { UnreadableImage } from '../load/loader.ts';
import { ImagePool } from '../load/pool.ts';
import { checkOptionRules, type OptionRules, record, required, text } from '../option_rules.ts';
import { costOf } from '../report/cost.ts';
import { checkOwnDataset } from './describe.ts';
import { runRules } from './options.ts';
import { deviceFor, type PlaceOptions, placeRules } from './runtime.ts';

/** Images at a time where nobody says otherwise: those of the published evaluation on CIFAR-10. */
export const usualBatchSize = 96;

/** Options of a test. */
export interface TestOptions extends PlaceOptions {
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
  /** What becomes of colour profiles in image files; the training's when absent. */
  readonly colourProfile?: ColourProfile;
  /** Score on the share of the training images that a training by `seed` kept for it, instead of on test images. */
  readonly validationPortion?: number;
  /** Of that training; 0 when absent. */
  readonly seed?: number;
  readonly batchSize?: number;
  /** Share of a label's probability that the loss spreads over all classes, from 0 to below 1; 0 when absent. */
  readonly labelSmooth?: number;
  /** Told how many of the images are done. */
  readonly onProgress?: (done: number, images: number) => void;
}

const testRules: OptionRules<TestOptions> = {
  genotype: required(record('a genotype')),
  weights: required(text('a file of weights')),
  averages: aBoolean,
  dataset: required(runRules.dataset),
  dataDir: runRules.dataDir,
  limit: runRules.limit,
  imageSize: runRules.imageSize,
  colourProfile: runRules.colourProfile,
  validationPortion: aPortion,
  seed: runRules.seed,
  batchSize: anInteger(1),
  labelSmooth: aShareBelowOne,
  ...placeRules,
  onProgress: aFunction,
};

/** What a network scores on the test images. */
export interface TestResult extends Score {
  /** Image files that could not be read and were left out. */
  readonly unreadable: readonly UnreadableImage[];
  /** The network's, as its weights tell them, or else the dataset's; empty where nobody does. */
  readonly classNames: readonly string[];
  /** What a user should know of the weights, such as that some are NaN, and of the images; one line each. */
  readonly notices: readonly string[];
  /** Of the network, an auxiliary head in its weights included. */
  readonly parameters: number;
  /** Of one image, as papers of FairDARTS and after it count them: `flops` of a graph's cost. */
  readonly flops: number;
  readonly imagesPerSecond: number;
  /** For people. */
  readonly device: string;
}

/**
 * Scores a trained network on a dataset's test images. Their classes are those of the network that have the same names, where its
 * weights and the dataset tell names; they may be fewer. Rejects with ArgumentError, DataError, FileError, BackendError or
 * AbortedError.
 */
export async function test(options: TestOptions): Promise<TestResult> {
  checkOptionRules('test', options, testRules);
  const { genotype, weights, signal, batchSize = usualBatchSize, labelSmooth = 0 } = options;
  throwIfAborted(signal);
  checkOwnDataset(options);
  const file = await readWeights(weights, options);
  const known = decodeMetadata(file.metadata);
  const read = { tensors: file.tensors, sizes: sizesOfWeights(file.tensors, weights) };
  const { tensors, sizes } = chosenWeights(read, genotype);
  const dataset = await resolveDataset(options, known, sizes);
  const images = testImagesFor(dataset, known, sizes);
  const settings = { ...plainTraining, ...sizes, labelSmooth };
  const networks = buildTrainNetworks(genotype, { ...dataset, classes: sizes.classes }, settings);
  const device = await deviceFor(options);
  try {
    using parameters = await device.createParameters(networks.training.graph, { seed: 0 });
    await parameters.assign(tensors, weights);
    using programs = createProgramSet(device, networks.plain.graph, parameters, 'fp32');
    using pool = new ImagePool(options.workers);
    using feed = await openFeed(device, images, { pool, seed: 0 });
    const began = performance.now();
    const count = images.labels.length;
    const score = await scoreImages({
      device,
      programFor: programs.programFor,
      logits: networks.plain.logits,
      classes: sizes.classes,
      batches: testBatches(feed, statisticsOf(known, dataset), batchSize, signal),
      signal,
      onProgress: (done) => options.onProgress?.(done, count),
    });
    const imagesPerSecond = (1000 * score.images) / (performance.now() - began);
    const unreadable = feed.takeUnreadable();
    const { top5, ...rest } = score;
    const { classNames, notices } = tellClasses(dataset, images, networkClasses(known, sizes));
    return {
      ...rest,
      ...(tellsTopFive(sizes.classes) && { top5 }),
      unreadable,
      classNames,
      notices: [...file.notices, ...notices],
      parameters: costOf(networks.training.graph).parameters,
      flops: costOf(networks.plain.graph).flops,
      imagesPerSecond,
      device: device.description,
    };
  } finally {
    if (options.device === undefined) device.dispose();
  }
}

async function resolveDataset(
  { dataset, dataDir, limit, imageSize, colourProfile, validationPortion, seed = 0, signal }: TestOptions,
  known: WeightMetadata,
  { imageChannels }: NetworkSizes,
): Promise<Dataset<ImageSet>> {
  const loaded = typeof dataset === 'string' ? await load(dataset) : dataset;
  return validationPortion === undefined ? loaded : holdOut(loaded, validationPortion, seed);

  function load(name: DatasetName): Promise<Dataset<ImageSet>> {
    // The weights tell what the training images were for.
    const told = known.mean?.length === imageChannels && known.deviation?.length === imageChannels;
    const testOnly = validationPortion === undefined && (told || !followsImages(name));
    // How files were read for it, unless told otherwise.
    const trained = isInFiles(name) ? { imageSize: known.imageShape?.[0], colourProfile: known.colourProfile } : {};
    const read = { imageSize: imageSize ?? trained.imageSize, colourProfile: colourProfile ?? trained.colourProfile };
    return loadDataset(name, { dataDir, limit, testOnly, ...read, signal });
  }
}

function networkClasses({ classNames }: WeightMetadata, { classes }: NetworkSizes): KnownClasses {
  return { count: classes, names: classNames?.length === classes ? classNames : undefined };
}

/** The dataset's test images with the network's labels. Throws DataError where there are none, or none that the network takes. */
function testImagesFor(dataset: Dataset<ImageSet>, known: WeightMetadata, sizes: NetworkSizes): ImageSet {
  const images = testImagesOf(dataset);
  const channels = images.shape[2];
  if (channels !== sizes.imageChannels) {
    throw new DataError(
      `dataset '${dataset.name}' expected images of ${sizes.imageChannels} channels, as the network takes, found ${channels}`,
    );
  }
  return labelledFor(images, dataset, networkClasses(known, sizes));
}

function tellClasses(
  { classNames: own, notices }: Dataset<ImageSet>,
  images: ImageSet,
  { count, names = own.length === count ? own : [] }: KnownClasses,
): Pick<TestResult, 'classNames' | 'notices'> {
  const empty = emptyClassNotices(images, { classes: count, classNames: names }, 'test');
  return { classNames: names, notices: [...notices, ...empty] };
}

/** The network as it is scored; what only training needs has no parameters. */
const plainTraining = { auxiliaryWeight: 0, dropPathProb: 0, dropPathUnit: 'published', smoothScores: true } as const;

/** The training's where its weights tell them: those of a dataset may depend on how many images were read. */
function statisticsOf(
  { mean, deviation }: WeightMetadata,
  dataset: Dataset<ImageSet>,
): Pick<Dataset, 'mean' | 'deviation'> {
  const channels = dataset.train.shape[2];
  return mean?.length === channels && deviation?.length === channels ? { mean, deviation } : dataset;
}
