// The supernet of a search on a device, with its images: the steps that train it, and how it scores.
import { type AugmentSettings, augmentsImages, placementOf } from '../augment/augment.ts';
import type {
  Command,
  Device,
  DropoutDraw,
  EvaluateCommand,
  GatheredBatch,
  Mixing,
  Outcome,
} from '../backend/device.ts';
import { endsOf } from '../backend/graph_ends.ts';
import { givenRows } from '../backend/mixing_rows.ts';
import type { Parameters } from '../backend/parameters.ts';
import type { Dataset } from '../data/dataset.ts';
import type { SplitIndices } from '../data/split.ts';
import { BatchWalk } from '../learn/batch_walk.ts';
import { openFeed } from '../learn/feed.ts';
import { createProgramSet, type ProgramSet } from '../learn/program_set.ts';
import { type Score, scoreImages } from '../learn/score.ts';
import {
  epochBatches,
  fedBatches,
  type PlannedBatch,
  type SearchBatchSettings,
  type SearchSource,
  stepsPerEpoch,
  type ValidationOrder,
} from '../learn/search_batches.ts';
import { weightStep, weightStepOutcome } from '../learn/weight_step.ts';
import type { PassOptions } from '../load/loader.ts';
import { ImagePool } from '../load/pool.ts';
import type { Supernet } from '../network/supernet.ts';
import { Resources } from '../resources.ts';
import type {
  AlternatingOutcome,
  AlternatingParts,
  AlternatingSettings,
  AlternatingStep,
  GivenRows,
} from './alternating_parts.ts';
import type { Position } from './method.ts';

/** What lies on a device once it is opened. */
export interface SupernetOptions<Settings> {
  readonly supernet: Supernet;
  /** Without what only learning needs. */
  readonly plain: Supernet;
  readonly dataset: Dataset;
  readonly split: SplitIndices;
  /** What is done to images before they go to a device. */
  readonly augment: AugmentSettings;
  readonly parts: AlternatingParts<Settings>;
  readonly settings: Settings & SearchBatchSettings;
  readonly seed: number;
  readonly workers?: number;
}

/** How a step goes. */
export interface StepHow {
  /** Of the weights. */
  readonly learningRate: number;
  /** Number of alpha's update, from 0. */
  readonly update: number;
  /** Whether the weights learn alone. */
  readonly alone?: boolean;
  /** Rows of mixing weights that do not follow from alpha. */
  readonly given?: GivenRows;
}

/** What a step came to, and how many images it took. */
export interface TrainedStep extends AlternatingOutcome {
  readonly samples: number;
}

/** How a score is taken: with running statistics, and mixing weights that follow from alpha, when nothing else is said. */
export type ScoreHow = Partial<Pick<EvaluateCommand, 'statistics' | 'mixing'>> &
  Pick<PassOptions, 'epoch' | 'firstDraw' | 'signal'> & {
    /** Whose images the batches are of. */
    readonly of?: 'train' | 'validation';
  };

/** Few crossings, yet an abort is noticed in between, and memory for logits stays small. */
const batchesPerCall = 16;

/** In what a run that goes on with a supernet differs from its search. */
export interface SupernetHow {
  readonly validationOrder?: ValidationOrder;
  /** Of everything random but the halves of the images. */
  readonly seed?: number;
}

/** Lays a supernet and its images on a device. */
export async function openSupernet<Settings extends AlternatingSettings>(
  device: Device,
  options: SupernetOptions<Settings>,
  { validationOrder, seed: ownSeed }: SupernetHow = {},
): Promise<SupernetTraining<Settings>> {
  const { supernet, split, settings, seed, parts } = options;
  using resources = new Resources();
  const parameters = resources.use(await device.createParameters(supernet.graph, { seed }));
  const images = await openImages(device, { ...options, seed: ownSeed ?? seed }, resources);
  const drawn = settings.drawnBatches === true;
  const usual = drawn || parts.validation === 'draw' ? 'draw' : 'walk';
  const order = validationOrder ?? usual;
  const source = { ...images, ...split, order, trainOrder: drawn ? 'draw' : 'walk', settings } as const;
  return new SupernetTraining(device, options, parameters, { ...source, seed: ownSeed ?? seed }, resources);
}

/** Both splits' images, and what a device does to them; they are the device's then where nothing is done to them before. */
async function openImages(
  device: Device,
  { dataset, augment, seed, workers }: Pick<SupernetOptions<unknown>, 'dataset' | 'augment' | 'seed' | 'workers'>,
  resources: Resources,
): Promise<Pick<SearchSource, 'statistics' | 'trainImages' | 'validationImages'>> {
  const { train, mean, deviation, augmentation } = dataset;
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

/** A supernet that is trained. */
export class SupernetTraining<Settings extends AlternatingSettings> implements Disposable {
  readonly device: Device;
  readonly supernet: Supernet;
  readonly parameters: Parameters;
  readonly source: SearchSource & { readonly settings: Settings & SearchBatchSettings };
  readonly #plain: Supernet;
  readonly classes: number;
  readonly #parts: AlternatingParts<Settings>;
  readonly #programs: ProgramSet;
  readonly #plainPrograms: ProgramSet;
  readonly #resources: Resources;
  readonly #train: BatchWalk;
  /** Absent where alpha learns on the weights' batches. */
  readonly #validation?: BatchWalk;

  /** Takes what `resources` hold once nothing can fail any more. */
  constructor(
    device: Device,
    { supernet, plain, dataset, parts }: SupernetOptions<Settings>,
    parameters: Parameters,
    source: SupernetTraining<Settings>['source'],
    resources: Resources,
  ) {
    const { settings, train } = source;
    this.device = device;
    this.supernet = supernet;
    this.parameters = parameters;
    this.source = source;
    this.#plain = plain;
    this.classes = dataset.classes;
    this.#parts = parts;
    const programsOf = ({ graph }: Supernet) =>
      resources.use(createProgramSet(device, graph, parameters, settings.precision));
    this.#programs = programsOf(supernet);
    this.#plainPrograms = plain === supernet ? this.#programs : programsOf(plain);
    this.#programs.programFor(Math.min(settings.batchSize, train.length));
    this.#train = new BatchWalk((epoch, step) => stepBatches(source, 'train', epoch, step));
    if (parts.validation !== 'none') {
      this.#validation = new BatchWalk((epoch, step) => stepBatches(source, 'validation', epoch, step));
    }
    this.#resources = resources.move();
  }

  /** Steps of an epoch. */
  get steps(): number {
    return stepsPerEpoch(this.source);
  }

  /** Images that an epoch's steps take. */
  get images(): number {
    const { train, trainOrder, settings } = this.source;
    return trainOrder === 'draw' ? this.steps * Math.min(settings.batchSize, train.length) : train.length;
  }

  /** One step of weights and alpha at a place. */
  async step(at: Pick<Position, 'epoch' | 'step'>, how: StepHow): Promise<TrainedStep> {
    const step = await this.#stepAt(at, how);
    const { alone = false, given } = how;
    const weightsAlone = () => weightStep({ ...step, batch: step.train });
    const alpha = alone ? [] : this.#parts.alpha(step);
    const weights = alone ? weightsAlone() : (this.#parts.weights?.(step) ?? weightsAlone());
    const [ofAlpha, ofWeights] = await this.#execute(alpha, weights, { step, at, given: given ?? {} });
    const read = (alone ? undefined : this.#parts.outcome) ?? alternatingOutcome;
    return { ...read(ofAlpha, ofWeights), samples: step.train.indices.length };
  }

  /** One crossing; two where the weights' share needs what alpha's has come to. */
  async #execute(
    alpha: readonly Command[],
    weights: readonly Command[],
    {
      step,
      at,
      given,
    }: {
      readonly step: AlternatingStep<Settings>;
      readonly at: Pick<Position, 'epoch' | 'step'>;
      readonly given: GivenRows;
    },
  ): Promise<[alpha: Outcome[], weights: Outcome[]]> {
    const { device, supernet, source } = this;
    const { disturb } = this.#parts;
    if (disturb === undefined) {
      const outcomes = await this.#executeGiven([...alpha, ...weights], given);
      return [outcomes.slice(0, alpha.length), outcomes.slice(alpha.length)];
    }
    const ofAlpha = alpha.length === 0 ? [] : await this.#executeGiven(alpha, given);
    const mixing = await disturb({ ...step, device, supernet, given, seed: source.seed, at });
    return [ofAlpha, await device.execute(weights.map((command) => withGiven(command, mixing)))];
  }

  /** With rows that do not follow from alpha: it learns nothing of them, where a pass leaves the gradients of their mixing weights. */
  async #executeGiven(commands: readonly Command[], given: GivenRows): Promise<Outcome[]> {
    const { device, parameters } = this;
    const passes = commands.map((command) => withGiven(command, given));
    const rows = givenRows(given, parameters.map);
    const move = passes.findIndex(movesAlpha);
    if (rows.length === 0 || move < 0) return device.execute(passes);
    const before = await device.execute(passes.slice(0, move));
    await Promise.all(
      rows.map(({ offset, weights }) =>
        parameters.store.write('alphaGradients', offset, new Float32Array(weights.length)),
      ),
    );
    return [...before, ...(await device.execute(passes.slice(move)))];
  }

  async #stepAt(
    at: Pick<Position, 'epoch' | 'step'>,
    { learningRate, update }: StepHow,
  ): Promise<AlternatingStep<Settings>> {
    const { epoch, step } = at;
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
      settings: this.source.settings,
      learningRate,
      update,
    };
  }

  #noisy(batch: GatheredBatch, epoch: number, step: number): GatheredBatch {
    const noiseScale = this.#parts.noiseScale?.(epoch) ?? 0;
    const { draws } = endsOf(this.supernet.graph);
    if (noiseScale === 0 && !draws) return batch;
    const dropout: DropoutDraw = { seed: this.source.seed, epoch, step, ...(noiseScale > 0 && { noiseScale }) };
    return { ...batch, dropout };
  }

  /** How well the network does on batches of images, validation ones unless said. Rejects with AbortedError on a signal. */
  score(planned: readonly PlannedBatch[], how: ScoreHow): Promise<Score & { readonly top5: number }> {
    const { statistics, mixing, signal, of = 'validation', ...draws } = how;
    const images = of === 'train' ? this.source.trainImages : this.source.validationImages;
    return scoreImages({
      device: this.device,
      programFor: this.#plainPrograms.programFor,
      logits: this.#plain.logits,
      classes: this.classes,
      batches: fedBatches(images, planned, { ...draws, signal }),
      batchesPerCall: images.stays ? batchesPerCall : 1,
      statistics,
      mixing,
      draw: { seed: this.source.seed, epoch: draws.epoch ?? 0, step: draws.firstDraw ?? 0 },
      signal,
    });
  }

  [Symbol.dispose](): void {
    this.#resources[Symbol.dispose]();
  }
}

/** A pass with some rows of its mixing weights given. */
function withGiven(command: Command, mixing: Mixing): Command {
  const isPass = command.kind === 'gradients' || command.kind === 'hypergradient';
  return isPass && Object.keys(mixing).length > 0 ? { ...command, mixing } : command;
}

/** Whether a command is an optimiser's of alpha. */
function movesAlpha(command: Command): boolean {
  return (command.kind === 'adam' && command.of !== 'weights') || (command.kind === 'sgd' && command.of === 'alpha');
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
  const drawn = split === 'train' ? source.trainOrder === 'draw' : true;
  const images = split === 'train' ? source.trainImages : source.validationImages;
  // An image may come in any of the batches that are drawn.
  return fedBatches(images, planned, drawn ? { epoch, firstDraw: first } : { epoch });
}
