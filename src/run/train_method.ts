import { checkAugmentation } from '../augment/augment.ts';
import type { Device } from '../backend/device.ts';
import type { Parameters } from '../backend/parameters.ts';
import type { Dataset, ImageSet } from '../data/dataset.ts';
import { holdOut } from '../data/split.ts';
import { DataError, FileError } from '../errors.ts';
import { encodeMetadata } from '../exchange/weight_metadata.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { type ImageFeed, openFeed } from '../learn/feed.ts';
import { createProgramSet, type ProgramSet } from '../learn/program_set.ts';
import { trainLearningRate } from '../learn/schedule.ts';
import { scoreImages } from '../learn/score.ts';
import { type FedBatch, type TrainSource, testBatches, trainBatches } from '../learn/train_batches.ts';
import type { UnreadableImage } from '../load/loader.ts';
import { ImagePool } from '../load/pool.ts';
import type { TrainSettings } from '../methods/train/settings.ts';
import { averageDecay, trainStep, trainStepOutcome } from '../methods/train/step.ts';
import { buildDerivedNetwork } from '../network/derived.ts';
import { callingSize } from '../network/image_size.ts';
import type { Network } from '../network/macro.ts';
import { Resources } from '../resources.ts';
import type { TrainedParameters } from './checkpoint.ts';
import { sizeOption } from './run_options.ts';
import type { Method } from './session.ts';
import type { TrainPlan } from './train_options.ts';
import type { StepResult, Validation, Work } from './work.ts';

/** The two forms of a genotype's network for a dataset: to learn with, and the plain one to score. */
export interface TrainNetworks {
  readonly training: Network;
  readonly plain: Network;
}

/** What decides the networks. */
export type NetworkSettings = Pick<
  TrainSettings,
  'initChannels' | 'layers' | 'stem' | 'auxiliary' | 'auxiliaryWeight' | 'dropPathProb' | 'labelSmooth'
>;

/** Builds both; they share the parameters of the first. Throws ArgumentError. */
export function buildTrainNetworks(
  genotype: Genotype,
  dataset: Dataset<ImageSet>,
  settings: NetworkSettings,
): TrainNetworks {
  const { train, classes } = dataset;
  const { initChannels, layers, stem, auxiliary, auxiliaryWeight, dropPathProb, labelSmooth } = settings;
  const plain = { genotype, inputShape: train.shape, classes, initChannels, layers, stem };
  const training = {
    ...plain,
    auxiliaryWeight: auxiliary ? auxiliaryWeight : undefined,
    dropPath: dropPathProb,
    labelSmoothing: labelSmooth,
  };
  return callingSize(sizeOption(dataset), () => ({
    training: buildDerivedNetwork(training),
    plain: buildDerivedNetwork(plain),
  }));
}

/** The images that a network is scored on. Throws DataError where there are none, or of another shape than those to learn from. */
export function testImagesOf({
  name,
  test,
  lacksTest,
  train,
}: Pick<Dataset<ImageSet>, 'name' | 'test' | 'lacksTest' | 'train'>): ImageSet {
  if (test === undefined) {
    throw new DataError(
      `${lacksTest ?? `dataset '${name}'`}: no test images to score a network on: add some, or keep a share of the training images for it, such as --validation-portion 0.1 (validationPortion)`,
    );
  }
  if (test.shape.every((size, axis) => size === train.shape[axis])) return test;
  throw new DataError(
    `expected test images of ${train.shape.join('x')}, as those to learn from, but got ${test.shape.join('x')}`,
  );
}

/** The training of a derived network on a dataset. Throws DataError where there are no test images, and ArgumentError. */
export function trainMethod(
  { genotype, settings, seed, runtime, validationPortion }: TrainPlan,
  given: Dataset<ImageSet>,
): Method<TrainWork> {
  const dataset = validationPortion === undefined ? given : holdOut(given, validationPortion, seed);
  const { train, classes } = dataset;
  const test = testImagesOf(dataset);
  checkAugmentation(settings, train.shape);
  const networks = buildTrainNetworks(genotype, dataset, settings);
  return {
    dataset,
    graph: networks.training.graph,
    about: {
      run: 'train',
      layers: settings.layers,
      trainImages: train.labels.length,
      validationImages: test.labels.length,
    },
    describe: (graphDigest) => ({ kind: 'train', architecture: { genotype, graphDigest } }),
    check: (config, graphDigest, files) => {
      if (config.kind === 'train' && config.architecture.graphDigest === graphDigest) return;
      throw new FileError(`${files.config} expects another network: this version builds its genotype otherwise`);
    },
    open: async (device, parameters) => {
      const { mean, deviation, augmentation } = dataset;
      using resources = new Resources();
      const pool = resources.use(new ImagePool(runtime.workers));
      const images = resources.use(await openFeed(device, train, { pool, augment: settings, seed }));
      const source = { images, statistics: { mean, deviation, augmentation }, settings, seed };
      const scored = { images: resources.use(await openFeed(device, test, { pool, seed })), classes };
      const metadata = encodeMetadata(genotype, dataset);
      // Averages start where the weights do.
      const { graph } = networks.training;
      const averages =
        settings.emaDecay > 0 ? resources.use(await device.createParameters(graph, { seed })) : undefined;
      return new TrainWork(device, networks, { parameters, averages }, source, { ...scored, metadata }, resources);
    },
  };
}

/** What a training is scored on, and what its weights file tells of it. */
interface Surroundings {
  readonly images: ImageFeed;
  readonly classes: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Where batches come from, and what is done with them. */
interface RunSource extends TrainSource {
  readonly settings: TrainSettings;
}

/** The steps and epochs of a training. */
export class TrainWork implements Work {
  readonly trainImages: number;
  readonly steps: number;
  readonly averages?: Parameters;
  /** Goes into the weights file. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly #device: Device;
  readonly #source: RunSource;
  readonly #test: ImageFeed;
  readonly #classes: number;
  readonly #logits: number;
  readonly #training: ProgramSet;
  readonly #plain: ProgramSet;
  readonly #resources: Resources;
  /** The batches that follow, from a step on. */
  #batches?: { readonly epoch: number; step: number; readonly next: AsyncGenerator<FedBatch> };

  /** Takes what `resources` hold once nothing can fail any more. */
  constructor(
    device: Device,
    { training, plain }: TrainNetworks,
    { parameters, averages }: TrainedParameters,
    source: RunSource,
    { images: test, classes, metadata }: Surroundings,
    resources: Resources,
  ) {
    const { settings, images } = source;
    this.#device = device;
    this.#source = source;
    this.#test = test;
    this.#classes = classes;
    this.metadata = metadata;
    this.averages = averages;
    this.#logits = plain.logits;
    this.#training = resources.use(createProgramSet(device, training.graph, parameters, settings.precision));
    this.#plain = resources.use(createProgramSet(device, plain.graph, averages ?? parameters, settings.precision));
    this.#training.programFor(Math.min(settings.batchSize, images.count));
    this.trainImages = images.count;
    this.steps = Math.ceil(images.count / settings.batchSize);
    this.#resources = resources.move();
  }

  learningRate(epoch: number): number {
    return trainLearningRate(this.#source.settings, epoch);
  }

  async step(epoch: number, step: number, update: number): Promise<StepResult> {
    const { batch } = await this.#nextBatch(epoch, step);
    const count = batch.indices.length;
    const program = this.#training.programFor(count);
    const learningRate = this.learningRate(epoch);
    const { settings } = this.#source;
    const averages = this.averages && {
      parameters: this.averages,
      decay: averageDecay(settings.emaDecay, update),
    };
    const commands = trainStep({ program, batch, settings, learningRate, averages });
    return { count, ...trainStepOutcome(await this.#device.execute(commands)) };
  }

  async #nextBatch(epoch: number, step: number): Promise<FedBatch> {
    if (this.#batches?.epoch !== epoch || this.#batches.step !== step) {
      await this.#batches?.next.return(undefined);
      this.#batches = { epoch, step, next: trainBatches(this.#source, epoch, step) };
    }
    this.#batches.step++;
    return (await this.#batches.next.next()).value;
  }

  takeUnreadable(): readonly UnreadableImage[] {
    return [...this.#source.images.takeUnreadable(), ...this.#test.takeUnreadable()];
  }

  async validate(signal: AbortSignal | undefined): Promise<Validation> {
    const { statistics, settings } = this.#source;
    const { loss, accuracy, top5 } = await scoreImages({
      device: this.#device,
      programFor: this.#plain.programFor,
      logits: this.#logits,
      classes: this.#classes,
      batches: testBatches(this.#test, statistics, settings.batchSize, signal),
      signal,
    });
    return { loss, accuracy, top5 };
  }

  [Symbol.dispose](): void {
    this.#resources[Symbol.dispose]();
  }
}
