// A search in which alpha and weights learn in turn, on two halves of the training images: what most methods are.
import type { Command, Device, GatheredBatch, Program } from '../backend/device.ts';
import type { Parameters } from '../backend/parameters.ts';
import { type Dataset, type ImageFiles, type ImageSet, isInMemory, sizeOption } from '../data/dataset.ts';
import { splitIndices } from '../data/split.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { type CosineSchedule, cosineLearningRate } from '../learn/cosine.ts';
import { EpochMeans } from '../learn/epoch_means.ts';
import { createProgramSet, type ProgramSet } from '../learn/program_set.ts';
import {
  type BatchSource,
  type EpochBatches,
  epochBatches,
  type SearchBatchSettings,
  stepsPerEpoch,
  validationBatches,
} from '../learn/search_batches.ts';
import { validate } from '../learn/validate.ts';
import { type WeightSettings, weightStep, weightStepOutcome } from '../learn/weight_step.ts';
import { intoMemory } from '../load/into_memory.ts';
import { ImagePool } from '../load/pool.ts';
import { callingSize } from '../network/image_size.ts';
import { buildSupernet, type Supernet } from '../network/supernet.ts';
import { Resources } from '../resources.ts';
import { readAlpha } from '../select/alpha.ts';
import { layoutOf } from '../select/layout.ts';
import type {
  EpochReport,
  InitialArchitecture,
  Measure,
  MethodContext,
  MethodDescription,
  MethodResult,
  MethodRun,
  Position,
  RunState,
  Stage,
  StepReport,
} from './method.ts';

/** What every such search can be told. */
export interface AlternatingSettings extends CosineSchedule, WeightSettings, SearchBatchSettings {
  readonly initChannels: number;
  readonly layers: number;
  readonly trainPortion: number;
  readonly precision: 'fp32' | 'tf32' | 'bf16';
}

/** What one step works on. Both batches have the program's batch size. */
export interface AlternatingStep<Settings> {
  readonly program: Program;
  readonly train: GatheredBatch;
  readonly validation: GatheredBatch;
  readonly settings: Settings;
  /** Of the weights; also ξ of an unrolled step. */
  readonly learningRate: number;
  /** Number of this step in the run, from 0. */
  readonly update: number;
}

/** In what such searches differ. */
export interface AlternatingParts<Settings> {
  /** Alpha's share of a step; the first outcome with a loss is the one that alpha learned from. */
  alpha(step: AlternatingStep<Settings>): Command[];
  /** The weights' share, from a pass to their update; SGD with momentum when absent. */
  weights?(step: AlternatingStep<Settings>): Command[];
  /** The genotype that mixing weights stand for. */
  select(supernet: Supernet, mixing: MethodResult['mixing'] & object): Genotype;
}

/** What such a search reports. */
export const alternatingMeasures: readonly Measure[] = [
  { name: 'loss', of: 'step', label: 'loss', group: 'train', unit: 'loss', better: 'lower' },
  { name: 'accuracy', of: 'step', label: 'acc', group: 'train', unit: 'share', better: 'higher' },
  { name: 'validationLoss', of: 'step', label: 'validation loss', unit: 'loss', better: 'lower' },
  { name: 'learningRate', of: 'epoch', label: 'learning rate', unit: 'rate' },
  { name: 'trainAccuracy', of: 'epoch', label: 'accuracy', group: 'train', unit: 'share', better: 'higher' },
  { name: 'trainLoss', of: 'epoch', label: 'loss', group: 'train', unit: 'loss', better: 'lower' },
  { name: 'validationAccuracy', of: 'epoch', label: 'accuracy', group: 'validation', unit: 'share', better: 'higher' },
  { name: 'validationLoss', of: 'epoch', label: 'loss', group: 'validation', unit: 'loss', better: 'lower' },
];

/**
 * A search on a dataset that lies on the device whole: images in files are decoded first. Rejects with what that throws, and with
 * ArgumentError for images of a size that the supernet does not take.
 */
export async function alternatingSearch<Settings extends AlternatingSettings>(
  context: MethodContext<Settings>,
  parts: AlternatingParts<Settings>,
): Promise<MethodDescription> {
  const { settings, seed, dataset: given } = context;
  const { initChannels, layers } = settings;
  const supernet = callingSize(sizeOption(given), () =>
    buildSupernet({
      space: context.space,
      inputShape: given.train.shape,
      classes: given.classes,
      initChannels,
      layers,
    }),
  );
  // Not before the supernet: it may refuse the size.
  const dataset = await loadedWhole(given, context);
  const split = splitIndices(dataset.train.labels.length, settings.trainPortion, seed);
  return {
    dataset,
    graphs: { supernet: supernet.graph },
    space: supernet.space.name,
    layers,
    trainImages: split.train.length,
    validationImages: split.validation.length,
    open: async (device) => {
      using resources = new Resources();
      const parameters = resources.use(await device.createParameters(supernet.graph, { seed }));
      const images = resources.use(await device.createDataset(dataset.train));
      // Not the dataset whole: its images are the device's now.
      const { mean, deviation, augmentation } = dataset;
      const source = { images, statistics: { mean, deviation, augmentation }, ...split, settings, seed };
      return new AlternatingRun(device, supernet, parameters, source, parts, resources);
    },
  };
}

async function loadedWhole(
  dataset: Dataset<ImageSet>,
  { workers, signal }: Pick<MethodContext<unknown>, 'workers' | 'signal'>,
): Promise<Dataset> {
  if (isInMemory(dataset)) return dataset;
  using pool = new ImagePool(workers);
  return await intoMemory(dataset as Dataset<ImageFiles>, { pool, signal });
}

/** Where batches come from, and what is done with them. */
interface SearchSource<Settings> extends BatchSource {
  readonly settings: Settings & SearchBatchSettings;
}

class AlternatingRun<Settings extends AlternatingSettings> implements MethodRun {
  readonly state: RunState;
  readonly #device: Device;
  readonly #supernet: Supernet;
  readonly #parameters: Parameters;
  readonly #source: SearchSource<Settings>;
  readonly #parts: AlternatingParts<Settings>;
  readonly #programs: ProgramSet;
  readonly #means: EpochMeans;
  readonly #resources: Resources;
  #batches?: { readonly epoch: number; readonly batches: EpochBatches };

  /** Takes what `resources` hold once nothing can fail any more. */
  constructor(
    device: Device,
    supernet: Supernet,
    parameters: Parameters,
    source: SearchSource<Settings>,
    parts: AlternatingParts<Settings>,
    resources: Resources,
  ) {
    const { settings, train } = source;
    this.#device = device;
    this.#supernet = supernet;
    this.#source = source;
    this.#parts = parts;
    this.#programs = resources.use(createProgramSet(device, supernet.graph, parameters, settings.precision));
    this.#programs.programFor(Math.min(settings.batchSize, train.length));
    this.#parameters = parameters;
    this.state = { parameters: { supernet: { parameters, optimizer: true } }, values: {} };
    this.#means = new EpochMeans(this.state.values, train.length);
    this.#resources = resources.move();
  }

  async stage(index: number): Promise<Stage | undefined> {
    const { epochs } = this.#source.settings;
    return index === 0 ? { name: 'search', epochs, steps: stepsPerEpoch(this.#source) } : undefined;
  }

  async step(at: Position): Promise<StepReport> {
    const step = this.#stepAt(at);
    const alpha = this.#parts.alpha(step);
    const weights = this.#parts.weights?.(step) ?? weightStep({ ...step, batch: step.train });
    const outcomes = await this.#device.execute([...alpha, ...weights]);
    const { loss, correct, gradientNorm } = weightStepOutcome(outcomes.slice(alpha.length));
    const samples = step.train.indices.length;
    this.#means.add(samples, { loss, correct });
    return {
      samples,
      measures: {
        loss,
        accuracy: correct / samples,
        ...(alpha.length > 0 && { validationLoss: outcomes[0].loss ?? Number.NaN }),
      },
      gradientNorm,
      last: at.step + 1 === stepsPerEpoch(this.#source),
    };
  }

  #stepAt({ epoch, step, updates }: Position): AlternatingStep<Settings> {
    if (this.#batches?.epoch !== epoch) this.#batches = { epoch, batches: epochBatches(this.#source, epoch) };
    const { batches } = this.#batches;
    const { settings } = this.#source;
    const train = batches.train(step);
    return {
      program: this.#programs.programFor(train.indices.length),
      train,
      validation: batches.validation(step),
      settings,
      learningRate: cosineLearningRate(settings, epoch),
      update: updates,
    };
  }

  async endEpoch({ epoch }: Position, signal?: AbortSignal): Promise<EpochReport> {
    const { settings } = this.#source;
    const score = await validate(this.#device, this.#programs.programFor, validationBatches(this.#source), { signal });
    const { genotype, alpha } = await this.#found();
    return {
      measures: { learningRate: cosineLearningRate(settings, epoch), ...this.#means.end(score) },
      architecture: { genotype, alpha },
    };
  }

  async result(): Promise<MethodResult> {
    const { genotype, mixing } = await this.#found();
    const { loss, accuracy } = this.#means.validation;
    return { genotype, mixing, scores: { validationAccuracy: accuracy, validationLoss: loss } };
  }

  async architecture(): Promise<InitialArchitecture> {
    const { alpha } = await readAlpha(this.#supernet, this.#parameters);
    return { alpha, layout: layoutOf(this.#supernet), activation: this.#supernet.space.activation };
  }

  async #found() {
    const { alpha, mixing } = await readAlpha(this.#supernet, this.#parameters);
    return { genotype: this.#parts.select(this.#supernet, mixing), mixing, alpha };
  }

  [Symbol.dispose](): void {
    this.#resources[Symbol.dispose]();
  }
}
