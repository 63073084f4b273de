import { checkAugmentation, placementOf } from '../../augment/augment.ts';
import type { Device } from '../../backend/device.ts';
import { endsOf } from '../../backend/graph_ends.ts';
import type { Parameters } from '../../backend/parameters.ts';
import type { Dataset, ImageSet } from '../../data/dataset.ts';
import { holdOut } from '../../data/split.ts';
import { ArgumentError, invalid } from '../../errors.ts';
import { encodeMetadata } from '../../exchange/weight_metadata.ts';
import type { Genotype } from '../../genotype/genotype.ts';
import { withAffine } from '../../learn/affine_images.ts';
import { BatchWalk } from '../../learn/batch_walk.ts';
import { type BestScore, BestScores } from '../../learn/best_scores.ts';
import { EpochMeans } from '../../learn/epoch_means.ts';
import { type ImageFeed, openFeed } from '../../learn/feed.ts';
import { withFlip } from '../../learn/flipped_images.ts';
import { jointStep } from '../../learn/joint_step.ts';
import { createProgramSet, type ProgramSet } from '../../learn/program_set.ts';
import { dropPathFactor, trainLearningRate } from '../../learn/schedule.ts';
import { scoreImages, tellsTopFive } from '../../learn/score.ts';
import { settingsBySize } from '../../learn/size_rule.ts';
import { type TrainSource, testBatches, trainBatches } from '../../learn/train_batches.ts';
import { buildTrainNetworks, type TrainNetworks, testImagesOf } from '../../learn/train_networks.ts';
import { weightStepOutcome } from '../../learn/weight_step.ts';
import type { UnreadableImage } from '../../load/loader.ts';
import { ImagePool } from '../../load/pool.ts';
import { costOf } from '../../report/cost.ts';
import { Resources } from '../../resources.ts';
import type {
  EpochReport,
  MethodContext,
  MethodDescription,
  MethodResult,
  MethodRun,
  Position,
  RunState,
  Stage,
  StepReport,
} from '../method.ts';
import type { TrainSettings } from './settings.ts';
import { averageDecay, trainStep } from './step.ts';

/** The training of a derived network on a dataset. Rejects with DataError where there are no test images, and ArgumentError. */
export async function describeTraining(context: MethodContext<TrainSettings>): Promise<MethodDescription> {
  const { seed, genotype, validationPortion } = context;
  if (genotype === undefined) throw invalid('genotype', 'the genotype whose network is trained', genotype);
  const given = context.dataset;
  const whole = validationPortion === undefined ? given : holdOut(given, validationPortion, seed);
  const { dataset, augment, notices } = withAffine(
    withFlip(whole, context.settings.flip),
    context.settings,
    context.settings.affine,
  );
  const { train, classes } = dataset;
  const test = testImagesOf(dataset);
  checkAugmentation(augment, train.shape);
  const { settings, told } = settingsFor(genotype, dataset, context.settings);
  if (settings.keepNone && settings.emaDecay > 0) {
    throw new ArgumentError('emaDecay averages weights alone, not those of keepNone: expected 0 beside it');
  }
  checkNesterov(settings);
  const networks = networksOf(genotype, dataset, settings);
  const { graph } = networks.training;
  return {
    dataset,
    graphs: { network: graph },
    layers: settings.layers,
    notices: [...notices, ...told],
    trainSamples: train.labels.length,
    validationSamples: test.labels.length,
    open: async (device) => {
      const { mean, deviation, augmentation } = dataset;
      using resources = new Resources();
      const secondMoments = settings.optimizer === 'adam';
      const trained = resources.use(await device.createParameters(graph, { seed, secondMoments }));
      const pool = resources.use(new ImagePool(context.workers));
      const placed = { ...augment, placement: augment.placement ?? placementOf(settings, augmentation) };
      const images = resources.use(await openFeed(device, train, { pool, augment: placed, seed }));
      const source = { images, statistics: { mean, deviation, augmentation }, settings, seed };
      const scored = resources.use(await openFeed(device, test, { pool, seed }));
      // Averages start where the weights do.
      const averages =
        settings.emaDecay > 0 ? resources.use(await device.createParameters(graph, { seed })) : undefined;
      const about = { genotype, classes, metadata: encodeMetadata(genotype, dataset) };
      return new TrainingRun(device, networks, { trained, averages }, source, { scored, ...about }, resources);
    },
  };
}

function networksOf(genotype: Genotype, dataset: Dataset<ImageSet>, settings: TrainSettings): TrainNetworks {
  const { skeleton, stemMultiplier, affineNorms } = settings;
  return buildTrainNetworks(genotype, dataset, {
    ...settings,
    skeleton: skeleton === 'usual' ? undefined : skeleton,
    stemMultiplier: stemMultiplier === 0 ? undefined : stemMultiplier,
    affineNorms: affineNorms === 'usual' ? undefined : affineNorms === 'on',
  });
}

/** With what follows from the network's size, and a line that tells it. */
function settingsFor(genotype: Genotype, dataset: Dataset<ImageSet>, settings: TrainSettings) {
  if (!settings.decayBySize) return { settings, told: [] };
  // Without an auxiliary head, which the plain form has not.
  const { parameters } = costOf(networksOf(genotype, dataset, settings).plain.graph);
  const sized = settingsBySize(parameters);
  const size = `${(parameters / 1e6).toFixed(2)} million parameters without auxiliary head`;
  const told = `${size}: weight decay ${sized.weightDecay}, drop path ${sized.dropPathProb} (decayBySize)`;
  return { settings: { ...settings, ...sized }, told: [told] };
}

/** Before a device, which would say so of a command. */
function checkNesterov({ nesterov, optimizer, momentum }: TrainSettings): void {
  if (!nesterov) return;
  if (optimizer === 'adam')
    throw new ArgumentError("nesterov is a form of SGD's momentum: expected none of it (--no-nesterov) with adam");
  if (momentum === 0) throw invalid('momentum', 'a number above 0 with nesterov', momentum);
}

/** What a training trains, and averages of it. */
interface TrainedParameters {
  readonly trained: Parameters;
  readonly averages?: Parameters;
}

/** Where batches come from, and what is done with them. */
interface Source extends TrainSource {
  readonly settings: TrainSettings;
}

/** What a training is scored on, and what its weights file tells of it. */
interface Surroundings {
  readonly scored: ImageFeed;
  readonly genotype: Genotype;
  readonly classes: number;
  readonly metadata: Readonly<Record<string, string>>;
}

class TrainingRun implements MethodRun {
  readonly state: RunState;
  readonly #trained: Parameters;
  readonly #averages?: Parameters;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #device: Device;
  readonly #source: Source;
  readonly #surroundings: Surroundings;
  readonly #logits: number;
  readonly #training: ProgramSet;
  readonly #plain: ProgramSet;
  readonly #steps: number;
  readonly #means: EpochMeans;
  readonly #best: BestScores | undefined;
  readonly #resources: Resources;
  readonly #batches: BatchWalk;

  /** Takes what `resources` hold once nothing can fail any more. */
  constructor(
    device: Device,
    { training, plain }: TrainNetworks,
    { trained, averages }: TrainedParameters,
    source: Source,
    surroundings: Surroundings,
    resources: Resources,
  ) {
    const { settings, images } = source;
    this.#trained = trained;
    this.#averages = averages;
    this.#device = device;
    this.#source = source;
    this.#surroundings = surroundings;
    this.metadata = surroundings.metadata;
    this.#logits = plain.logits;
    this.#training = resources.use(createProgramSet(device, training.graph, trained, settings.precision));
    this.#plain = resources.use(createProgramSet(device, plain.graph, averages ?? trained, settings.precision));
    this.#training.programFor(Math.min(settings.batchSize, images.count));
    const drawing = { ...source, draws: endsOf(training.graph).draws };
    this.#batches = new BatchWalk((epoch, step) => trainBatches(drawing, epoch, step));
    this.#steps = Math.ceil(images.count / settings.batchSize);
    const average = averages && { average: { parameters: averages, optimizer: false } };
    this.state = { parameters: { network: { parameters: trained, optimizer: true }, ...average }, values: {} };
    this.#means = new EpochMeans(this.state.values, images.count);
    this.#best = settings.reportBest ? new BestScores(this.state.values) : undefined;
    this.#resources = resources.move();
  }

  async stage(index: number): Promise<Stage | undefined> {
    const { epochs } = this.#source.settings;
    return index === 0 ? { name: 'train', epochs, steps: this.#steps } : undefined;
  }

  async step(at: Position): Promise<StepReport> {
    const { batch } = await this.#batches.at(at);
    const samples = batch.indices.length;
    const { settings } = this.#source;
    const averages = this.#averages;
    const step = {
      program: this.#training.programFor(samples),
      batch,
      settings,
      learningRate: trainLearningRate(settings, at.epoch),
      update: at.updates,
      averages: averages && { parameters: averages, decay: averageDecay(settings.emaDecay, at.updates) },
    };
    const { loss, correct, gradientNorm } = settings.keepNone
      ? await jointStep(this.#device, step)
      : weightStepOutcome(await this.#device.execute(trainStep(step)));
    this.#means.add(samples, { loss, correct });
    return {
      samples,
      measures: { loss, accuracy: correct / samples },
      gradientNorm,
      last: at.step + 1 === this.#steps,
    };
  }

  takeUnreadable(): readonly UnreadableImage[] {
    return [...this.#source.images.takeUnreadable(), ...this.#surroundings.scored.takeUnreadable()];
  }

  async endEpoch({ epoch }: Position, signal?: AbortSignal): Promise<EpochReport> {
    const { statistics, settings } = this.#source;
    const { scored, classes } = this.#surroundings;
    const { loss, accuracy, top5 } = await scoreImages({
      device: this.#device,
      programFor: this.#plain.programFor,
      logits: this.#logits,
      classes,
      batches: testBatches(scored, statistics, settings.evalBatchSize || settings.batchSize, signal),
      draw: { seed: this.#source.seed, epoch, step: 0 },
      signal,
    });
    const measures = this.#means.end({ loss, accuracy, top5 });
    this.#best?.take({ accuracy, top5 });
    return {
      measures: {
        learningRate: trainLearningRate(settings, epoch),
        ...(settings.decayBySize && {
          weightDecay: settings.weightDecay,
          dropPath: settings.dropPathProb * dropPathFactor(settings, epoch),
        }),
        ...measures,
        ...(tellsTopFive(classes) && { validationTop5: top5 }),
      },
    };
  }

  async result(): Promise<MethodResult> {
    const { genotype, classes } = this.#surroundings;
    const { loss, accuracy, top5 } = this.#means.validation;
    return {
      genotype,
      scores: {
        testAccuracy: accuracy,
        ...(tellsTopFive(classes) && top5 !== undefined && { testTop5: top5 }),
        ...(this.#best && bestScores(this.#best.now, classes)),
        testLoss: loss,
      },
      weights: this.#averages ?? this.#trained,
    };
  }

  [Symbol.dispose](): void {
    this.#resources[Symbol.dispose]();
  }
}

/** By the names that results have. */
function bestScores({ accuracy, top5 }: BestScore, classes: number): Record<string, number> {
  return {
    bestTestAccuracy: accuracy,
    ...(tellsTopFive(classes) && top5 !== undefined && { bestTestTop5: top5 }),
  };
}
