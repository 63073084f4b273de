// The training of a language model from scratch: SGD, then averaged SGD, by what the validation text says.
import type { Command, Device, DirectBatch, Program } from '../../backend/device.ts';
import type { Parameters } from '../../backend/parameters.ts';
import { isRecord } from '../../checks.ts';
import { type ColumnRange, columnGroups, columnsOf, type TextColumns, textBatch } from '../../data/text/columns.ts';
import type { Corpus } from '../../data/text/corpus.ts';
import { FileError, unexpected } from '../../errors.ts';
import { encodeLanguageMetadata } from '../../exchange/language_metadata.ts';
import type { RecurrentGenotype } from '../../genotype/genotype.ts';
import { type BestText, bestOf } from '../../learn/best_text.ts';
import { dropoutsOf, groupSize } from '../../learn/language_settings.ts';
import { NamedMeans } from '../../learn/named_means.ts';
import { scoreText } from '../../learn/score_text.ts';
import type { TextScore } from '../../learn/text_score.ts';
import { fewestWalkedRows, longestStep, type WalkStep, walkEpoch } from '../../learn/text_walk.ts';
import { buildLanguageModel, languageModelNames } from '../../network/language_model.ts';
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
import { type Averaging, averageKept, freshAveraging, laggingFactor, takesOver } from './averaging.ts';
import type { LanguageTrainingSettings } from './settings.ts';

/** Columns that the validation text is scored in, as published. */
const scoredColumns = 10;
const trainState = (group: number) => `hidden.train.${group}`;
const validationState = 'hidden.validation';
const testState = 'hidden.test';

type Context = MethodContext<LanguageTrainingSettings, Corpus>;

/** The texts of a training, cut into columns. */
interface Texts {
  readonly train: TextColumns;
  readonly validation: TextColumns;
  readonly test: TextColumns;
  readonly groups: readonly ColumnRange[];
}

/** A training, before anything lies on a device. Throws ArgumentError for sizes that do not fit the text, or a genotype of images. */
export async function describeLanguageTraining(context: Context): Promise<MethodDescription> {
  const { settings, dataset, genotype } = context;
  if (genotype?.recurrent === undefined) {
    throw unexpected('genotype (--arch)', 'a recurrent cell for a text', 'cells for images');
  }
  const { batchSize, testBatchSize } = settings;
  const name = 'batchSize (--batch-size)';
  const texts: Texts = {
    train: columnsOf(dataset.train, batchSize, { least: fewestWalkedRows, name }),
    validation: columnsOf(dataset.valid, scoredColumns),
    test: columnsOf(dataset.test, testBatchSize, { name: 'testBatchSize (--test-batch-size)' }),
    groups: columnGroups(batchSize, groupSize(settings), 'smallBatchSize (--small-batch-size)'),
  };
  const models = modelsOf(context, genotype, texts);
  return {
    dataset,
    graphs: { network: models.training.graph },
    layers: 1,
    trainSamples: texts.train.rows * batchSize,
    validationSamples: texts.validation.rows * scoredColumns,
    open: (device) => openTraining(device, context, genotype, texts, models),
  };
}

function modelsOf({ settings, dataset }: Context, genotype: RecurrentGenotype, { groups, test }: Texts) {
  const columns = groups[0].count;
  const names = groups.map((_, group) => trainState(group));
  const states = {
    ...Object.fromEntries(names.map((name) => [name, columns])),
    ...{ [validationState]: scoredColumns, [testState]: test.columns },
  };
  const { alpha, beta, emsize: size } = settings;
  const common = { words: dataset.vocabulary.words.length, size, genotype, dropouts: dropoutsOf(settings), states };
  return {
    training: buildLanguageModel({ ...common, alpha, beta, share: columns / settings.batchSize }),
    plain: buildLanguageModel(common),
  };
}

async function openTraining(
  device: Device,
  { settings, seed, dataset }: Context,
  genotype: RecurrentGenotype,
  texts: Texts,
  { training, plain }: ReturnType<typeof modelsOf>,
): Promise<MethodRun> {
  using resources = new Resources();
  const graphs = [training.graph, plain.graph];
  const create = async () => resources.use(await device.createParameters(graphs, { seed }));
  const [parameters, averages, best] = [await create(), await create(), await create()];
  const compile = (graph: typeof plain.graph, batchSize: number, length: number, of: Parameters) =>
    resources.use(device.compile(graph, { batchSize, length, parameters: of }));
  const { bptt } = settings;
  const programs = {
    training: compile(training.graph, texts.groups[0].count, longestStep(settings), parameters),
    plain: compile(plain.graph, scoredColumns, bptt, parameters),
    averaged: compile(plain.graph, scoredColumns, bptt, averages),
    tested: compile(plain.graph, texts.test.columns, bptt, best),
  };
  const { words, digest } = dataset.vocabulary;
  const metadata = encodeLanguageMetadata({ genotype, vocabulary: { words: words.length, digest } });
  const source = { settings, seed, genotype, texts, programs, parameters, averages, best, metadata };
  return new LanguageTraining(device, source, resources);
}

interface Source {
  readonly settings: LanguageTrainingSettings;
  readonly seed: number;
  readonly genotype: RecurrentGenotype;
  readonly texts: Texts;
  readonly programs: Readonly<Record<'training' | 'plain' | 'averaged' | 'tested', Program>>;
  readonly parameters: Parameters;
  readonly averages: Parameters;
  readonly best: Parameters;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The best epoch, and how averaged SGD stood then; absent where plain SGD moved the weights. */
interface BestEpoch extends BestText {
  readonly averaging?: Averaging;
}

class LanguageTraining implements MethodRun {
  readonly state: RunState;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #device: Device;
  readonly #source: Source;
  readonly #means: NamedMeans;
  readonly #resources: Resources;
  #walk: { readonly key: string; readonly steps: readonly WalkStep[] } | undefined;

  /** Takes what `resources` hold once nothing can fail any more. */
  constructor(device: Device, source: Source, resources: Resources) {
    const { parameters, averages, best, metadata } = source;
    this.#device = device;
    this.#source = source;
    this.metadata = metadata;
    this.state = {
      parameters: {
        network: { parameters, optimizer: true },
        average: { parameters: averages, optimizer: false },
        best: { parameters: best, optimizer: false },
      },
      values: { recorded: [], rollbacks: 0 },
    };
    this.#means = new NamedMeans(this.state.values);
    this.#resources = resources.move();
  }

  async stage(index: number): Promise<Stage | undefined> {
    if (index > 0) return undefined;
    const stepsOf = (epoch: number) => this.#walkOf(epoch).length;
    return { name: 'train', epochs: this.#source.settings.epochs, steps: stepsOf(0), stepsOf };
  }

  async step({ epoch, step, updates }: Position): Promise<StepReport> {
    const { settings, texts } = this.#source;
    const walk = this.#walkOf(epoch);
    const outcomes = await this.#device.execute(this.#commands(walk[step], epoch, updates));
    const groups = outcomes.slice(0, texts.groups.length);
    const loss =
      groups.reduce((sum, { loss: all, terms = [all] }) => sum + (terms[0] ?? Number.NaN), 0) / groups.length;
    const gradientNorm = outcomes[groups.length].gradientNorm ?? Number.NaN;
    const samples = walk[step].steps * settings.batchSize;
    const measures = { loss, perplexity: Math.exp(loss) };
    if (!Number.isFinite(loss) && settings.rollback === 'best') {
      const backTo = await this.#rollBack();
      if (backTo !== undefined) return { samples, measures, gradientNorm, last: false, backTo };
    }
    const averaging = this.#averaging;
    if (averaging !== undefined) {
      this.state.values['averaging'] = { steps: averaging.steps + 1, factor: walk[step].rateFactor };
    }
    this.#means.add(samples, { trainLoss: loss });
    return { samples, measures, gradientNorm, last: step + 1 === walk.length };
  }

  /** Gradients of each group, then the weights, then their average. */
  #commands(walk: WalkStep, epoch: number, updates: number): Command[] {
    const { settings, texts, programs, parameters, averages } = this.#source;
    const { training: program } = programs;
    const averaging = this.#averaging;
    const factor =
      averaging === undefined || settings.currentRate ? walk.rateFactor : laggingFactor(averaging, walk.rateFactor);
    const moved = {
      learningRate: settings.lr * factor,
      momentum: 0,
      weightDecay: settings.wdecay,
      maxNorm: settings.clip,
    };
    return [
      ...texts.groups.map((_, group): Command => {
        const batch = this.#batch(walk, group, epoch, updates);
        return { kind: 'gradients', program, batch, target: 'weights', accumulate: group > 0 };
      }),
      { kind: 'sgd', parameters, ...moved },
      ...(averaging === undefined
        ? []
        : [{ kind: 'average', parameters, averages, decay: averageKept(averaging.steps + 1) } satisfies Command]),
    ];
  }

  #batch({ row, steps }: WalkStep, group: number, epoch: number, updates: number): DirectBatch {
    const { texts, seed } = this.#source;
    const { inputs, targets } = textBatch(texts.train, row, steps, texts.groups[group]);
    return {
      inputs: { [languageModelNames.words]: inputs },
      labels: targets,
      hidden: { from: row === 0 ? undefined : trainState(group), to: trainState(group) },
      // Updates go on where an epoch is taken anew: its masks are others then.
      dropout: { seed, epoch, step: updates * texts.groups.length + group },
    };
  }

  /** Weights and optimiser as they were at the best epoch; gives the epoch that follows, or nothing where there was none yet. */
  async #rollBack(): Promise<number | undefined> {
    const { parameters, averages, best } = this.#source;
    const saved = bestOf<BestEpoch>(this.state.values);
    if (saved === undefined) return undefined;
    await this.#device.execute([
      { kind: 'copy', parameters: best, target: parameters },
      { kind: 'copy', parameters: best, target: averages },
    ]);
    this.#setAveraging(saved.averaging);
    this.#means.end();
    this.state.values['rollbacks'] = Number(this.state.values['rollbacks']) + 1;
    this.state.values['told'] = [`rolled back to the end of epoch ${saved.epoch + 1}: the loss was no longer finite`];
    return saved.epoch + 1;
  }

  async endEpoch({ epoch }: Position, signal?: AbortSignal): Promise<EpochReport> {
    const { settings } = this.#source;
    const averaging = this.#averaging;
    const score = await this.#score(averaging === undefined ? 'plain' : 'averaged', signal);
    await this.#keepBest(epoch, score, averaging);
    const decisions = this.#told();
    if (averaging === undefined) {
      const recorded = this.state.values['recorded'] as readonly number[];
      if (takesOver(recorded, score.loss, settings.nonmono)) {
        this.#setAveraging(freshAveraging);
        decisions.push({ told: 'averaged SGD from the next epoch on' });
      }
      this.state.values['recorded'] = [...recorded, score.loss];
    }
    if (epoch + 1 === settings.epochs) await this.#test(signal);
    const means = this.#means.end();
    return {
      measures: {
        learningRate: settings.lr,
        ...means,
        trainPerplexity: Math.exp(means['trainLoss']),
        ...{ validationLoss: score.loss, validationPerplexity: score.perplexity },
        ...{ exactPerplexity: score.exactPerplexity, bitsPerWord: score.bitsPerWord },
      },
      decisions,
    };
  }

  async #keepBest(epoch: number, { loss }: TextScore, averaging: Averaging | undefined): Promise<void> {
    const { parameters, averages, best } = this.#source;
    const before = bestOf(this.state.values);
    if (before !== undefined && !(loss < before.loss)) return;
    await this.#device.execute([
      { kind: 'copy', parameters: averaging === undefined ? parameters : averages, target: best },
    ]);
    this.state.values['best'] = { epoch, loss, ...(averaging && { averaging: { ...averaging } }) };
  }

  #told(): { told: string }[] {
    const { told = [] } = this.state.values;
    delete this.state.values['told'];
    return (told as readonly string[]).map((line) => ({ told: line }));
  }

  /** The best weights on the test text, at the end. */
  async #test(signal: AbortSignal | undefined): Promise<void> {
    const { loss, perplexity, exactLoss, exactPerplexity, bitsPerWord } = await this.#score('tested', signal);
    this.state.values['test'] = {
      ...{ testPerplexity: perplexity, testLoss: loss },
      ...{ testExactPerplexity: exactPerplexity, testExactLoss: exactLoss, testBitsPerWord: bitsPerWord },
    };
  }

  #score(of: 'plain' | 'averaged' | 'tested', signal: AbortSignal | undefined): Promise<TextScore> {
    const { settings, texts, programs } = this.#source;
    const [text, state] = of === 'tested' ? [texts.test, testState] : [texts.validation, validationState];
    return scoreText({ device: this.#device, program: programs[of], text, bptt: settings.bptt, state, signal });
  }

  async result(): Promise<MethodResult> {
    const { genotype, best } = this.#source;
    const saved = bestOf(this.state.values);
    const scores = this.state.values['test'] as Readonly<Record<string, number>>;
    return {
      genotype,
      scores: { ...scores, ...(saved && { bestEpoch: saved.epoch, bestValidationPerplexity: Math.exp(saved.loss) }) },
      weights: best,
    };
  }

  [Symbol.dispose](): void {
    this.#resources[Symbol.dispose]();
  }

  get #averaging(): Averaging | undefined {
    const { averaging } = this.state.values;
    if (averaging === undefined) return undefined;
    if (isRecord(averaging) && [averaging['steps'], averaging['factor']].every(Number.isFinite)) {
      return averaging as unknown as Averaging;
    }
    throw new FileError('the checkpoint is damaged: expected steps and factor for the metadata averaging');
  }

  #setAveraging(averaging: Averaging | undefined): void {
    if (averaging === undefined) delete this.state.values['averaging'];
    else this.state.values['averaging'] = { ...averaging };
  }

  /** Lengths of an epoch that is taken anew are others. */
  #walkOf(epoch: number): readonly WalkStep[] {
    const { settings, seed, texts } = this.#source;
    const rollbacks = Number(this.state.values['rollbacks']);
    const key = `${epoch} ${rollbacks}`;
    if (this.#walk?.key !== key) {
      const stream = { seed, epoch: epoch + rollbacks * settings.epochs };
      this.#walk = { key, steps: walkEpoch(texts.train.rows, settings, stream) };
    }
    return this.#walk.steps;
  }
}
