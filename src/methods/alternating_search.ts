// A search in which alpha and weights learn in turn, on two halves of the training images: what most methods are.
import type { AffineChoice } from '../augment/affine.ts';
import { type AugmentSettings, augmentsImages, checkAugmentation, placementOf } from '../augment/augment.ts';
import type { Command, Device, DropoutDraw, GatheredBatch, Outcome, Program } from '../backend/device.ts';
import type { Parameters } from '../backend/parameters.ts';
import { type Dataset, type ImageFiles, type ImageSet, isInMemory } from '../data/dataset.ts';
import { splitIndices } from '../data/split.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { withAffine } from '../learn/affine_images.ts';
import { BatchWalk } from '../learn/batch_walk.ts';
import { type CosineSchedule, cosineLearningRate } from '../learn/cosine.ts';
import { EpochMeans } from '../learn/epoch_means.ts';
import { openFeed } from '../learn/feed.ts';
import { createProgramSet, type ProgramSet } from '../learn/program_set.ts';
import { scoreImages, tellsTopFive } from '../learn/score.ts';
import {
  epochBatches,
  fedBatches,
  type SearchBatchSettings,
  type SearchSource,
  stepsPerEpoch,
  type ValidationOrder,
  validationBatches,
} from '../learn/search_batches.ts';
import { type WeightSettings, type WeightStepOutcome, weightStep, weightStepOutcome } from '../learn/weight_step.ts';
import { intoMemory } from '../load/into_memory.ts';
import { ImagePool } from '../load/pool.ts';
import type { Supernet } from '../network/supernet.ts';
import { Resources } from '../resources.ts';
import { mixingOfRows, type RowsByTable, readAlpha } from '../select/alpha.ts';
import { checkRuleOf, type SelectionOptions } from '../select/rules.ts';
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
import { initialArchitecture, searchedSupernet } from './supernet_search.ts';

/** What every such search can be told. */
export interface AlternatingSettings extends CosineSchedule, WeightSettings, SearchBatchSettings {
  readonly initChannels: number;
  readonly layers: number;
  readonly trainPortion: number;
  readonly precision: 'fp32' | 'tf32' | 'bf16';
  /** Validate on images augmented as those to learn from; on plain ones when absent. */
  readonly augmentedValidation?: boolean;
  /** The AutoAugment of FairDARTS on images to learn from; off when absent. */
  readonly autoAug?: boolean;
  /** Affine maps of images that they suit; off when absent. */
  readonly affine?: AffineChoice;
  /** Epochs in which the weights learn alone; 0 when absent. */
  readonly alphaWarmupEpochs?: number;
  /** Of an auxiliary head's loss while the weights learn; no such head when absent or 0. */
  readonly auxWeight?: number;
}

/** What one step works on. */
export interface AlternatingStep<Settings> {
  /** Of the training batch's size, and of the validation batch's. */
  readonly program: Program;
  readonly validationProgram: Program;
  readonly train: GatheredBatch;
  /** The one that alpha learns on; the training batch where no images are kept for that. */
  readonly validation: GatheredBatch;
  /** The training batch for alpha's share of a step, where noise and dropout are drawn by themselves. */
  readonly trainForAlpha: GatheredBatch;
  readonly settings: Settings;
  /** Of the weights; also ξ of an unrolled step. */
  readonly learningRate: number;
  /** Number of this step in the run, from 0; where the weights learn alone at first, from where alpha learns too. */
  readonly update: number;
}

/** What a step came to. */
export interface AlternatingOutcome extends WeightStepOutcome {
  /** What the search reports beside loss and accuracy, by name. */
  readonly measures: Readonly<Record<string, number>>;
}

/** In what such searches differ. */
export interface AlternatingParts<Settings> {
  /** Alpha's share of a step; none where alpha does not learn, or learns with the weights. */
  alpha(step: AlternatingStep<Settings>): Command[];
  /** The weights' share, from a pass to their update; SGD with momentum when absent. */
  weights?(step: AlternatingStep<Settings>): Command[];
  /** How alpha's batches are drawn, or that there are none; `walk` when absent. */
  readonly validation?: ValidationOrder | 'none';
  /** Reads the outcomes of both shares; when absent the first one of alpha's has the validation loss. */
  outcome?(alpha: readonly Outcome[], weights: readonly Outcome[]): AlternatingOutcome;
  /** Measures of epochs that are means of measures of steps, weighted by the training batch's size: which, by name. */
  readonly means?: Readonly<Record<string, string>>;
  /** What the graph's noise is scaled by in an epoch; no noise when absent. */
  noiseScale?(epoch: number): number;
  /** How {@link AlternatingParts.select} does, where a rule of selection does. */
  readonly selection?: SelectionOptions;
  /** Whether the search finds the alpha of the epoch that validates best, the first of equals, rather than the last one. */
  readonly keepsBest?: boolean;
  /** The genotype that mixing weights, and the alpha that they follow from, stand for. */
  select(supernet: Supernet, mixing: RowsByTable, alpha: RowsByTable): Genotype;
  /** What a user should know of the genotype that was found. */
  notices?(supernet: Supernet, mixing: RowsByTable, genotype: Genotype): readonly string[];
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
  { name: 'validationTop5', of: 'epoch', label: 'top-5', unit: 'share', better: 'higher', optional: true },
  { name: 'validationLoss', of: 'epoch', label: 'loss', group: 'validation', unit: 'loss', better: 'lower' },
];

/** What a search has found, at the end or so far. */
export interface Found {
  readonly genotype: Genotype;
  readonly alpha: RowsByTable;
  readonly mixing: RowsByTable;
}

/** A run of such a search. */
export interface SearchingRun extends MethodRun {
  readonly supernet: Supernet;
  /** What it comes to. */
  found(): Promise<Found>;
}

/** Such a search, before anything lies on a device. */
export interface SearchDescription extends MethodDescription {
  open(device: Device): Promise<SearchingRun>;
}

/**
 * A search on a dataset that lies in memory whole, images in files being decoded first, and on the device but where images are augmented
 * before they go there. Rejects with what that throws, and with ArgumentError for images of a size that the supernet does not take or
 * without the colours that augmentation needs.
 */
export async function alternatingSearch<Settings extends AlternatingSettings>(
  context: MethodContext<Settings>,
  parts: AlternatingParts<Settings>,
): Promise<SearchDescription> {
  const { settings, seed } = context;
  const {
    dataset: given,
    augment,
    notices,
  } = withAffine(context.dataset, augmentOf(settings), settings.affine, 'autoAug');
  checkAugmentation(augment, given.train.shape, { autoAugment: 'autoAug' });
  const supernet = searchedSupernet(context);
  if (parts.selection !== undefined) checkRuleOf(supernet, parts.selection);
  const plain = settings.auxWeight
    ? searchedSupernet({ ...context, settings: { ...settings, auxWeight: 0 } })
    : supernet;
  // Not before the supernet: it may refuse the size.
  const dataset = await loadedWhole(given, context);
  const split = splitIndices(dataset.train.labels.length, settings.trainPortion, seed);
  return {
    dataset,
    graphs: { supernet: supernet.graph },
    space: supernet.space.name,
    layers: settings.layers,
    ...(!supernet.space.sharedAlpha && { genotypeCells: settings.layers }),
    oneCell: supernet.space.skeleton.cells === 'one',
    notices,
    trainImages: split.train.length,
    validationImages: split.validation.length,
    open: async (device) => {
      using resources = new Resources();
      const parameters = resources.use(await device.createParameters(supernet.graph, { seed }));
      const order = parts.validation === 'draw' ? 'draw' : 'walk';
      const images = await openImages(device, dataset, { ...context, augment }, resources);
      const source = { ...images, ...split, order, settings, seed } as const;
      return new AlternatingRun(
        device,
        { supernet, plain, parameters, classes: dataset.classes },
        source,
        parts,
        resources,
      );
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

/** What is done to images before they go to a device. */
function augmentOf({ autoAug = false }: AlternatingSettings): AugmentSettings {
  return { randomResizedCrop: false, autoAugment: autoAug ? 'fairdarts' : 'off', colorJitter: 0, hueJitter: 0 };
}

/** Both splits' images, and what a device does to them; they are the device's then where nothing is done to them before. */
async function openImages(
  device: Device,
  { train, mean, deviation, augmentation }: Dataset,
  { augment, seed, workers }: Pick<MethodContext<unknown>, 'seed' | 'workers'> & { readonly augment: AugmentSettings },
  resources: Resources,
): Promise<Pick<SearchSource, 'statistics' | 'trainImages' | 'validationImages'>> {
  const pool = resources.use(new ImagePool(workers));
  const placement = augment.placement ?? placementOf(augment, augmentation);
  const placed = { ...augment, placement };
  const open = async () => resources.use(await openFeed(device, train, { pool, augment: placed, seed }));
  const trainImages = await open();
  return {
    statistics: { mean, deviation, augmentation: placement === undefined ? augmentation : { pad: 0, flip: false } },
    trainImages,
    // A batch of one must not take the place of the other's.
    validationImages: augmentsImages(placed) ? await open() : trainImages,
  };
}

/** Few crossings, yet an abort is noticed in between, and memory for logits stays small. */
const batchesPerCall = 16;

/** What a search trains. */
interface Searched {
  readonly supernet: Supernet;
  /** Without what only learning needs. */
  readonly plain: Supernet;
  readonly parameters: Parameters;
  readonly classes: number;
}

/** Where batches come from, and what is done with them. */
interface Source<Settings> extends SearchSource {
  readonly settings: Settings & SearchBatchSettings;
}

/** The epoch that validated best, and its alpha. */
type Best = { readonly epoch: number; readonly accuracy: number; readonly alpha: RowsByTable };

class AlternatingRun<Settings extends AlternatingSettings> implements SearchingRun {
  readonly state: RunState;
  readonly supernet: Supernet;
  readonly #device: Device;
  readonly #searched: Searched;
  readonly #source: Source<Settings>;
  readonly #parts: AlternatingParts<Settings>;
  readonly #programs: ProgramSet;
  readonly #plain: ProgramSet;
  readonly #means: EpochMeans;
  readonly #resources: Resources;
  readonly #train: BatchWalk;
  /** Absent where alpha learns on the weights' batches. */
  readonly #validation?: BatchWalk;

  /** Takes what `resources` hold once nothing can fail any more. */
  constructor(
    device: Device,
    searched: Searched,
    source: Source<Settings>,
    parts: AlternatingParts<Settings>,
    resources: Resources,
  ) {
    const { supernet, plain, parameters } = searched;
    const { settings, train } = source;
    this.supernet = supernet;
    this.#device = device;
    this.#searched = searched;
    this.#source = source;
    this.#parts = parts;
    this.#programs = resources.use(createProgramSet(device, supernet.graph, parameters, settings.precision));
    this.#plain =
      plain === supernet
        ? this.#programs
        : resources.use(createProgramSet(device, plain.graph, parameters, settings.precision));
    this.#programs.programFor(Math.min(settings.batchSize, train.length));
    this.#train = new BatchWalk((epoch, step) => stepBatches(source, 'train', epoch, step));
    if (parts.validation !== 'none') {
      this.#validation = new BatchWalk((epoch, step) => stepBatches(source, 'validation', epoch, step));
    }
    this.state = { parameters: { supernet: { parameters, optimizer: true } }, values: {} };
    this.#means = new EpochMeans(this.state.values, train.length, Object.keys(parts.means ?? {}));
    this.#resources = resources.move();
  }

  async stage(index: number): Promise<Stage | undefined> {
    const { epochs } = this.#source.settings;
    return index === 0 ? { name: 'search', epochs, steps: stepsPerEpoch(this.#source) } : undefined;
  }

  async step(at: Position): Promise<StepReport> {
    const step = await this.#stepAt(at);
    const isWarmup = at.updates < this.#warmupSteps;
    const weightsAlone = () => weightStep({ ...step, batch: step.train });
    const alpha = isWarmup ? [] : this.#parts.alpha(step);
    const weights = isWarmup ? weightsAlone() : (this.#parts.weights?.(step) ?? weightsAlone());
    const outcomes = await this.#device.execute([...alpha, ...weights]);
    const read = (isWarmup ? undefined : this.#parts.outcome) ?? alternatingOutcome;
    const outcome = read(outcomes.slice(0, alpha.length), outcomes.slice(alpha.length));
    const { loss, correct, gradientNorm, measures } = outcome;
    const samples = step.train.indices.length;
    this.#means.add(samples, { loss, correct, ...this.#meansOf(measures) });
    return {
      samples,
      measures: { loss, accuracy: correct / samples, ...measures },
      gradientNorm,
      last: at.step + 1 === stepsPerEpoch(this.#source),
    };
  }

  get #warmupSteps(): number {
    return (this.#source.settings.alphaWarmupEpochs ?? 0) * stepsPerEpoch(this.#source);
  }

  #meansOf(measures: AlternatingOutcome['measures']): Readonly<Record<string, number>> {
    const means = Object.entries(this.#parts.means ?? {});
    return Object.fromEntries(means.map(([name, measure]) => [name, measures[measure]]));
  }

  async #stepAt(at: Position): Promise<AlternatingStep<Settings>> {
    const { epoch, step, updates } = at;
    const { settings } = this.#source;
    const { batch: train } = await this.#train.at(at);
    const validation = this.#validation === undefined ? train : (await this.#validation.at(at)).batch;
    // Each pass draws by itself: three of a step.
    const drawing = (batch: GatheredBatch, pass: number) => this.#noisy(batch, epoch, 3 * step + pass);
    return {
      program: this.#programs.programFor(train.indices.length),
      validationProgram: this.#programs.programFor(validation.indices.length),
      train: drawing(train, 0),
      validation: drawing(validation, this.#validation === undefined ? 0 : 1),
      trainForAlpha: drawing(train, 2),
      settings,
      learningRate: cosineLearningRate(settings, epoch),
      update: updates - this.#warmupSteps,
    };
  }

  #noisy(batch: GatheredBatch, epoch: number, step: number): GatheredBatch {
    const noiseScale = this.#parts.noiseScale?.(epoch) ?? 0;
    if (noiseScale === 0) return batch;
    const dropout: DropoutDraw = { seed: this.#source.seed, epoch, step, noiseScale };
    return { ...batch, dropout };
  }

  async endEpoch({ epoch }: Position, signal?: AbortSignal): Promise<EpochReport> {
    const { settings, validation } = this.#source;
    const score = validation.length === 0 ? undefined : await this.#score(epoch, signal);
    const now = await this.#now();
    if (this.#parts.keepsBest && score !== undefined) this.#keepBest(epoch, score.accuracy, now.alpha);
    const { genotype, alpha } = now;
    return {
      measures: {
        learningRate: cosineLearningRate(settings, epoch),
        ...this.#means.end(score && { loss: score.loss, accuracy: score.accuracy }),
        ...(score && tellsTopFive(this.#searched.classes) && { validationTop5: score.top5 }),
      },
      architecture: { genotype, alpha },
    };
  }

  #score(epoch: number, signal?: AbortSignal) {
    const { settings, validationImages } = this.#source;
    const { classes, plain } = this.#searched;
    const augmentedIn = settings.augmentedValidation ? { epoch } : undefined;
    const planned = validationBatches(this.#source, augmentedIn);
    const draws = augmentedIn && { ...augmentedIn, firstDraw: stepsPerEpoch(this.#source) };
    return scoreImages({
      device: this.#device,
      programFor: this.#plain.programFor,
      logits: plain.logits,
      classes,
      batches: fedBatches(validationImages, planned, { ...draws, signal }),
      batchesPerCall: validationImages.stays ? batchesPerCall : 1,
      signal,
    });
  }

  #keepBest(epoch: number, accuracy: number, alpha: RowsByTable): void {
    const best = this.#best;
    if (best !== undefined && accuracy <= best.accuracy) return;
    this.state.values['best'] = { epoch, accuracy, alpha } satisfies Best;
  }

  get #best(): Best | undefined {
    // As it was kept.
    return this.state.values['best'] as Best | undefined;
  }

  async result(): Promise<MethodResult> {
    const { genotype, mixing } = await this.found();
    const notices = this.#parts.notices?.(this.supernet, mixing, genotype) ?? [];
    return {
      genotype,
      mixing,
      scores: this.#source.validation.length === 0 ? {} : this.#scores(),
      ...(notices.length > 0 && { notices }),
    };
  }

  #scores(): MethodResult['scores'] {
    const { loss, accuracy } = this.#means.validation;
    return { validationAccuracy: accuracy, validationLoss: loss };
  }

  async architecture(): Promise<InitialArchitecture> {
    const { supernet, parameters } = this.#searched;
    return initialArchitecture(supernet, parameters, this.#parts.selection);
  }

  async found(): Promise<Found> {
    const best = this.#best;
    return best === undefined ? this.#now() : this.#foundAt(best.alpha, mixingOfRows(this.supernet, best.alpha));
  }

  async #now(): Promise<Found> {
    const { supernet, parameters } = this.#searched;
    const { alpha, mixing } = await readAlpha(supernet, parameters);
    return this.#foundAt(alpha, mixing);
  }

  #foundAt(alpha: RowsByTable, mixing: RowsByTable): Found {
    return { genotype: this.#parts.select(this.supernet, mixing, alpha), mixing, alpha };
  }

  [Symbol.dispose](): void {
    this.#resources[Symbol.dispose]();
  }
}

/** Where alpha's first command is a pass, it has the loss that alpha learned from. */
export function alternatingOutcome(alpha: readonly Outcome[], weights: readonly Outcome[]): AlternatingOutcome {
  const measures = alpha.map(({ loss = Number.NaN }) => ({ validationLoss: loss }));
  return { ...weightStepOutcome(weights), measures: measures[0] ?? {} };
}

/** The batches of one split that an epoch's steps take, from a step on. */
function stepBatches(source: SearchSource, split: 'train' | 'validation', epoch: number, first: number) {
  const steps = Array.from({ length: stepsPerEpoch(source) - first }, (_, i) => first + i);
  const planned = steps.map(epochBatches(source, epoch)[split]);
  // An image may come in any of alpha's batches.
  return split === 'train'
    ? fedBatches(source.trainImages, planned, { epoch })
    : fedBatches(source.validationImages, planned, { epoch, firstDraw: first });
}
