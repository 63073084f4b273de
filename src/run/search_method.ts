import type { Device } from '../backend/device.ts';
import type { Parameters } from '../backend/parameters.ts';
import { type Dataset, type ImageFiles, type ImageSet, isInMemory } from '../data/dataset.ts';
import { splitIndices } from '../data/split.ts';
import { FileError } from '../errors.ts';
import { cosineLearningRate } from '../learn/cosine.ts';
import { createProgramSet, type ProgramSet } from '../learn/program_set.ts';
import {
  type BatchSource,
  type EpochBatches,
  epochBatches,
  stepsPerEpoch,
  validationBatches,
} from '../learn/search_batches.ts';
import { validate } from '../learn/validate.ts';
import { intoMemory } from '../load/into_memory.ts';
import { ImagePool } from '../load/pool.ts';
import type { SearchSettings } from '../methods/darts/settings.ts';
import { dartsStep, dartsStepOutcome } from '../methods/darts/step.ts';
import { callingSize } from '../network/image_size.ts';
import { buildSupernet, type Supernet } from '../network/supernet.ts';
import { Resources } from '../resources.ts';
import { type Architecture, readArchitecture } from '../select/architecture.ts';
import type { SearchPlan } from './options.ts';
import { sizeOption } from './run_options.ts';
import type { Method } from './session.ts';
import type { StepResult, Validation, Work } from './work.ts';

/** A search by DARTS on a dataset, which lies on the device whole: images in files are decoded first. Rejects with what that throws. */
export async function searchMethod(plan: SearchPlan, given: Dataset<ImageSet>): Promise<Method<SearchWork>> {
  const { settings, seed } = plan;
  const supernet = callingSize(sizeOption(given), () =>
    buildSupernet({
      space: plan.space,
      inputShape: given.train.shape,
      classes: given.classes,
      initChannels: settings.initChannels,
      layers: settings.layers,
    }),
  );
  // Not before the supernet: it may refuse the size.
  const dataset = await loadedWhole(given, plan);
  const split = splitIndices(dataset.train.labels.length, settings.trainPortion, seed);
  return {
    dataset,
    graph: supernet.graph,
    about: {
      run: 'search',
      space: supernet.space.name,
      layers: settings.layers,
      trainImages: split.train.length,
      validationImages: split.validation.length,
    },
    describe: (graphDigest) => {
      const given = typeof plan.space !== 'string';
      return { kind: 'search', space: { name: supernet.space.name, given, graphDigest } };
    },
    check: (config, graphDigest, files) => {
      if (config.kind === 'search' && config.space.graphDigest === graphDigest) return;
      throw new FileError(`${files.config} expects another supernet: space '${supernet.space.name}' has changed`);
    },
    open: async (device, parameters) => {
      using resources = new Resources();
      const images = resources.use(await device.createDataset(dataset.train));
      // Not the dataset whole: its images are the device's now.
      const { mean, deviation, augmentation } = dataset;
      const source = { images, statistics: { mean, deviation, augmentation }, ...split, settings, seed };
      return new SearchWork(device, supernet, parameters, source, resources);
    },
  };
}

async function loadedWhole(dataset: Dataset<ImageSet>, { runtime }: SearchPlan): Promise<Dataset> {
  if (isInMemory(dataset)) return dataset;
  using pool = new ImagePool(runtime.workers);
  return await intoMemory(dataset as Dataset<ImageFiles>, { pool, signal: runtime.signal });
}

/** Where batches come from, and what is done with them. */
interface SearchSource extends BatchSource {
  readonly settings: SearchSettings;
}

/** The steps and epochs of a search. */
export class SearchWork implements Work {
  readonly trainImages: number;
  readonly steps: number;
  readonly #device: Device;
  readonly #supernet: Supernet;
  readonly #parameters: Parameters;
  readonly #source: SearchSource;
  readonly #programs: ProgramSet;
  readonly #resources: Resources;
  #batches?: { readonly epoch: number; readonly batches: EpochBatches };

  /** Takes what `resources` hold once nothing can fail any more. */
  constructor(device: Device, supernet: Supernet, parameters: Parameters, source: SearchSource, resources: Resources) {
    const { settings, train } = source;
    this.#device = device;
    this.#supernet = supernet;
    this.#parameters = parameters;
    this.#source = source;
    this.#programs = resources.use(createProgramSet(device, supernet.graph, parameters, settings.precision));
    this.#programs.programFor(Math.min(settings.batchSize, train.length));
    this.trainImages = train.length;
    this.steps = stepsPerEpoch(source);
    this.#resources = resources.move();
  }

  learningRate(epoch: number): number {
    return cosineLearningRate(this.#source.settings, epoch);
  }

  async step(epoch: number, step: number, update: number): Promise<StepResult> {
    if (this.#batches?.epoch !== epoch) this.#batches = { epoch, batches: epochBatches(this.#source, epoch) };
    const { batches } = this.#batches;
    const train = batches.train(step);
    const count = train.indices.length;
    const commands = dartsStep({
      program: this.#programs.programFor(count),
      train,
      validation: batches.validation(step),
      settings: this.#source.settings,
      learningRate: this.learningRate(epoch),
      alphaUpdate: update + 1,
    });
    return { count, ...dartsStepOutcome(await this.#device.execute(commands)) };
  }

  validate(signal: AbortSignal | undefined): Promise<Validation> {
    return validate(this.#device, this.#programs.programFor, validationBatches(this.#source), { signal });
  }

  architecture(): Promise<Architecture> {
    return readArchitecture(this.#supernet, this.#parameters);
  }

  async genotype() {
    return (await this.architecture()).genotype;
  }

  [Symbol.dispose](): void {
    this.#resources[Symbol.dispose]();
  }
}
