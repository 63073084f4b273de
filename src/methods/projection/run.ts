// A selection that goes on with a search's supernet: decisions, each behind scores without something, and fine-tuning in between.
import type { Genotype } from '../../genotype/genotype.ts';
import { cosineLearningRate } from '../../learn/cosine.ts';
import { EpochMeans } from '../../learn/epoch_means.ts';
import { shuffledBatches, validationBatches } from '../../learn/search_batches.ts';
import { type RowsByTable, readAlpha } from '../../select/alpha.ts';
import { genotypeOf } from '../../select/strongest_edges.ts';
import type { AlternatingSettings } from '../alternating_parts.ts';
import type {
  EpochReport,
  JsonValue,
  MethodResult,
  MethodRun,
  Position,
  RunState,
  SourceRun,
  Stage,
  StepReport,
} from '../method.ts';
import { takeOver } from '../source_supernet.ts';
import type { SupernetTraining } from '../supernet_training.ts';
import { byMagnitude } from './magnitude.ts';
import { type Decision, type Part, planOf, scoresOf } from './plan.ts';
import { givenRows, projectedRows, withoutNone } from './projected.ts';
import type { ProjectionSettings } from './settings.ts';
import { begun, firstStanding, maskOf, type Standing, scored, turnAt } from './standing.ts';

/** What decides: how the supernet does without something, or alpha. */
export type DecidedBy = 'projection' | 'magnitude';

/** What a selection is told. */
export interface SelectionOptions {
  readonly settings: ProjectionSettings;
  readonly seed: number;
  readonly source: SourceRun;
  readonly by: DecidedBy;
  /** Whether nodes keep all of their edges. */
  readonly keepsInputs: boolean;
}

/** Passes of decisions in one epoch have numbers this far apart. */
const passesOfDecision = 256;

function kindOf(part: Part): 'decision' | 'fine-tuning' {
  return 'epochs' in part ? 'fine-tuning' : 'decision';
}

/** A run of a selection. */
export class ProjectionRun implements MethodRun {
  readonly state: RunState;
  readonly #training: SupernetTraining<AlternatingSettings>;
  readonly #options: SelectionOptions;
  readonly #plan: readonly Part[];
  readonly #means: EpochMeans;

  constructor(training: SupernetTraining<AlternatingSettings>, options: SelectionOptions) {
    const { parameters, supernet, images } = training;
    this.#training = training;
    this.#options = options;
    this.#plan = planOf(supernet, options.seed, options.settings, options.keepsInputs);
    this.state = { parameters: { supernet: { parameters, optimizer: true } }, values: { begun: false } };
    this.#standing = firstStanding(supernet);
    this.#means = new EpochMeans(this.state.values, images);
  }

  get #standing(): Standing {
    // As it was put there.
    return this.state.values['standing'] as unknown as Standing;
  }

  set #standing(standing: Standing) {
    this.state.values['standing'] = standing as unknown as JsonValue;
  }

  async stage(index: number): Promise<Stage | undefined> {
    if (index >= this.#plan.length) return undefined;
    const part = this.#plan[index];
    const later: Record<string, number> = { decision: 0, 'fine-tuning': 0 };
    for (const behind of this.#plan.slice(index + 1)) later[kindOf(behind)] += this.#stepsOf(behind);
    const isDecision = (one: Part) => 'decision' in one;
    const number = this.#plan.slice(0, index + 1).filter(isDecision).length;
    const kind = kindOf(part);
    if ('epochs' in part) {
      const { epochs } = part;
      return { name: `fine-tuning behind decision ${number}`, kind, epochs, steps: this.#training.steps, later };
    }
    const of = `decision ${number} of ${this.#plan.filter(isDecision).length}`;
    const what = part.decision.kind === 'operation' ? 'operations' : 'inputs of nodes';
    return { name: `${of}, ${what}`, kind, epochs: 1, steps: this.#stepsOf(part), later };
  }

  /** Of all its epochs. */
  #stepsOf(part: Part): number {
    return 'epochs' in part ? part.epochs * this.#training.steps : this.#scoresOf(part.decision);
  }

  #scoresOf(decision: Decision): number {
    if (this.#options.by === 'magnitude') return 1;
    return decision.of.reduce((sum, place) => sum + scoresOf(this.#training.supernet, decision, place), 0);
  }

  async step(at: Position): Promise<StepReport> {
    if (this.state.values['begun'] !== true) await this.#begin();
    const part = this.#plan[at.stage];
    if ('epochs' in part) return this.#tune(at);
    return this.#options.by === 'magnitude' ? this.#decideByAlpha(part.decision) : this.#score(at, part.decision);
  }

  async #begin(): Promise<void> {
    await takeOver(this.#training, this.#options.source);
    this.state.values['begun'] = true;
  }

  /** Epochs of fine-tuning that lie before a stage. */
  #tunedBefore(stage: number): number {
    return this.#plan.slice(0, stage).reduce((sum, part) => sum + ('epochs' in part ? part.epochs : 0), 0);
  }

  /** Numbers epochs on from those of the search, so that no random number comes twice. */
  #epochOf({ stage, epoch }: Pick<Position, 'stage' | 'epoch'>): number {
    const isTuning = 'epochs' in this.#plan[stage];
    return this.#options.source.at.epoch + this.#tunedBefore(stage) + (isTuning ? epoch : 0);
  }

  #alpha(): ReturnType<typeof readAlpha> {
    return readAlpha(this.#training.supernet, this.#training.parameters);
  }

  async #tune(at: Position): Promise<StepReport> {
    const { source } = this.#options;
    const { supernet, steps } = this.#training;
    const { mixing } = await this.#alpha();
    const { samples, loss, correct, gradientNorm, measures } = await this.#training.step(
      { epoch: this.#epochOf(at), step: at.step },
      {
        learningRate: this.#learningRate(at),
        update: source.at.updates + this.#tunedBefore(at.stage) * steps + at.updates,
        given: givenRows(supernet, this.#standing.projected, mixing),
      },
    );
    this.#means.add(samples, { loss, correct });
    return {
      samples,
      measures: { loss, accuracy: correct / samples, ...measures },
      gradientNorm,
      last: at.step + 1 === steps,
    };
  }

  /** Constant, as the published code has it, or by a cosine over all epochs of fine-tuning. */
  #learningRate({ stage, epoch }: Pick<Position, 'stage' | 'epoch'>): number {
    const { settings } = this.#options;
    if (!settings.learningRateCosine) return settings.learningRate;
    const epochs = this.#tunedBefore(this.#plan.length);
    return cosineLearningRate({ ...settings, epochs }, this.#tunedBefore(stage) + epoch);
  }

  /** One pass over the validation half without something. */
  async #score(at: Position, decision: Decision): Promise<StepReport> {
    const { supernet } = this.#training;
    const { settings } = this.#options;
    const turn = turnAt(supernet, decision, at.step);
    const standing = begun(supernet, this.#standing, turn);
    const { mixing } = await this.#alpha();
    const mask = maskOf(supernet, standing, turn, settings.cumulative);
    const { accuracy, loss, images } = await this.#scoreWith(at, givenRows(supernet, standing.projected, mixing, mask));
    const { projCrit, projCritEdge } = settings;
    const criteria = { operation: projCrit, inputs: projCritEdge === 'same' ? projCrit : projCritEdge };
    this.#standing = scored(supernet, standing, turn, { accuracy, loss }, criteria);
    return {
      samples: images,
      measures: { scoreAccuracy: accuracy, scoreLoss: loss },
      gradientNorm: 0,
      last: at.step + 1 === this.#scoresOf(decision),
    };
  }

  #scoreWith(at: Position, mixing: ReturnType<typeof givenRows>) {
    const { plainScores, keepStatistics } = this.#options.settings;
    const statistics = keepStatistics ? 'batch' : 'moving';
    const { source } = this.#training;
    if (plainScores) return this.#training.score(validationBatches(source), { statistics, mixing });
    const epoch = this.#epochOf(at);
    const pass = passesOfDecision * at.stage + at.step;
    const firstDraw = (1 + pass) * Math.ceil(source.validation.length / source.settings.batchSize);
    return this.#training.score(shuffledBatches(source, epoch, pass), { statistics, mixing, epoch, firstDraw });
  }

  async #decideByAlpha(decision: Decision): Promise<StepReport> {
    const { mixing } = await this.#alpha();
    this.#standing = byMagnitude(this.#training.supernet, this.#standing, decision, mixing);
    return { samples: 0, measures: {}, gradientNorm: 0, last: true };
  }

  async endEpoch(at: Position, signal?: AbortSignal): Promise<EpochReport> {
    const genotype = this.#genotypeOf((await this.#alpha()).mixing);
    if ('epochs' in this.#plan[at.stage]) return { ...(await this.#endTuning(at, signal)), architecture: { genotype } };
    const { told, ...standing } = this.#standing;
    this.#standing = { ...standing, told: [] };
    return { measures: {}, decisions: told, architecture: { genotype } };
  }

  /** Scores both halves with running statistics, as images to learn from are. */
  async #endTuning(at: Position, signal?: AbortSignal): Promise<EpochReport> {
    const { source, steps } = this.#training;
    const epoch = this.#epochOf(at);
    const mixing = givenRows(this.#training.supernet, this.#standing.projected, (await this.#alpha()).mixing);
    const augmented = { epoch, firstDraw: steps };
    const how = { mixing, signal, ...(source.settings.augmentedValidation && augmented) };
    const augmentedIn = source.settings.augmentedValidation ? { epoch } : undefined;
    const validation = await this.#training.score(validationBatches(source, augmentedIn), how);
    const ofTrain = validationBatches({ ...source, validation: source.train }, augmentedIn);
    const train = await this.#training.score(ofTrain, { ...how, of: 'train' });
    const measures = this.#means.end({ loss: validation.loss, accuracy: validation.accuracy });
    return {
      measures: {
        ...measures,
        learningRate: this.#learningRate(at),
        trainLoss: train.loss,
        trainAccuracy: train.accuracy,
      },
    };
  }

  #genotypeOf(mixing: RowsByTable): Genotype {
    const { supernet } = this.#training;
    const { projected } = this.#standing;
    const genotype = genotypeOf(supernet, projectedRows(supernet, projected, mixing));
    return this.#options.settings.keepNone && genotype.cell === undefined
      ? withoutNone(supernet, projected, genotype)
      : genotype;
  }

  async result(): Promise<MethodResult> {
    const { supernet } = this.#training;
    const { mixing } = await this.#alpha();
    const { loss, accuracy } = this.#means.validation;
    return {
      genotype: this.#genotypeOf(mixing),
      mixing: projectedRows(supernet, this.#standing.projected, mixing),
      scores: { validationAccuracy: accuracy, validationLoss: loss },
    };
  }

  [Symbol.dispose](): void {
    this.#training[Symbol.dispose]();
  }
}
