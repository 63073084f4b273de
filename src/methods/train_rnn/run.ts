// The training of a language model from scratch: SGD, then averaged SGD, by what the validation text says.
import type { Device, Program } from '../../backend/device.ts';
import type { Parameters } from '../../backend/parameters.ts';
import { type ColumnRange, columnGroups, columnsOf, type TextColumns } from '../../data/text/columns.ts';
import type { Corpus } from '../../data/text/corpus.ts';
import { FileError, unexpected } from '../../errors.ts';
import { encodeLanguageMetadata } from '../../exchange/language_metadata.ts';
import type { RecurrentGenotype } from '../../genotype/genotype.ts';
import { type BestText, bestOf } from '../../learn/best_text.ts';
import { dropoutsOf, groupSize } from '../../learn/language_settings.ts';
import { NamedMeans } from '../../learn/named_means.ts';
import { scoredText, scoreText } from '../../learn/score_text.ts';
import type { TextScore } from '../../learn/text_score.ts';
import { fewestWalkedRows, longestStep, type WalkStep, walkEpoch } from '../../learn/text_walk.ts';
import { buildLanguageModel } from '../../network/language_model.ts';
import { Resources } from '../../resources.ts';
import type {
  Decision,
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
import { type Averaging, averagingOf, freshAveraging, takesOver } from './averaging.ts';
import type { LanguageTrainingSettings } from './settings.ts';
import { languageDraws, languageStep, languageStepOutcome, trainState } from './step.ts';

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
    validation: scoredText(dataset.valid),
    test: columnsOf(dataset.test, testBatchSize, { name: 'testBatchSize (--test-batch-size)' }),
    groups: columnGroups(batchSize, groupSize(settings), 'smallBatchSize (--small-batch-size)'),
  };
  const models = modelsOf(context, genotype, texts);
  return {
    dataset,
    graphs: { network: models.training.graph },
    layers: 1,
    trainSamples: texts.train.rows * batchSize,
    validationSamples: texts.validation.rows * texts.validation.columns,
    open: (device) => openTraining(device, context, genotype, texts, models),
  };
}

function modelsOf({ settings, dataset }: Context, genotype: RecurrentGenotype, { groups, validation, test }: Texts) {
  const columns = groups[0].count;
  const names = groups.map((_, group) => trainState(group));
  const states = {
    ...Object.fromEntries(names.map((name) => [name, columns])),
    ...{ [validationState]: validation.columns, [testState]: test.columns },
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
    plain: compile(plain.graph, texts.validation.columns, bptt, parameters),
    averaged: compile(plain.graph, texts.validation.columns, bptt, averages),
    tested: compile(plain.graph, texts.test.columns, bptt, best),
  };
  const metadata = encodeLanguageMetadata({
    genotype,
    dropouts: dropoutsOf(settings),
    vocabulary: { words: dataset.vocabulary.words.length, digest: dataset.vocabulary.digest },
  });
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
    const { settings, seed, texts, programs, averages } = this.#source;
    const { train, groups } = texts;
    const walk = this.#walkOf(epoch)[step];
    const averaging = this.#averaging;
    const drawOf = languageDraws({ seed, epoch, updates }, groups.length);
    const program = programs.training;
    const commands = languageStep({ program, averages, train, groups, settings, walk, averaging, drawOf });
    const { loss, gradientNorm } = languageStepOutcome(await this.#device.execute(commands), groups.length);
    const samples = walk.steps * settings.batchSize;
    const report = { samples, measures: { loss, perplexity: Math.exp(loss) }, gradientNorm };
    const back = Number.isFinite(loss) || settings.rollback === 'stop' ? undefined : await this.#rollBack();
    if (back !== undefined) return { ...report, last: false, back };
    if (averaging !== undefined) this.#setAveraging({ steps: averaging.steps + 1, factor: walk.rateFactor });
    this.#means.add(samples, { trainLoss: loss });
    return { ...report, last: step + 1 === this.#walkOf(epoch).length };
  }

  /** Weights and optimiser as they were at the best epoch; says which one follows it, or nothing where there was none yet. */
  async #rollBack(): Promise<StepReport['back']> {
    const { parameters, averages, best } = this.#source;
    const saved = this.#best;
    if (saved === undefined) return undefined;
    // Its momentum, which is always taken times 0, is not finite any more.
    await parameters.clearOptimizer();
    await this.#device.execute([
      { kind: 'copy', parameters: best, target: parameters },
      { kind: 'copy', parameters: best, target: averages },
    ]);
    this.#setAveraging(saved.averaging);
    this.#means.end();
    this.state.values['rollbacks'] = this.#rollbacks + 1;
    const epoch = saved.epoch + 1;
    return {
      epoch,
      decision: { told: `back to the end of epoch ${epoch}, the best one: the loss is no longer finite` },
    };
  }

  async endEpoch({ epoch }: Position, signal?: AbortSignal): Promise<EpochReport> {
    const { settings } = this.#source;
    const averaging = this.#averaging;
    const score = await this.#score(averaging === undefined ? 'plain' : 'averaged', signal);
    await this.#keepBest(epoch, score, averaging);
    if (epoch + 1 === settings.epochs) await this.#test(signal);
    // Nothing below waits: an epoch that is stopped above ends anew from what it began with.
    const decisions: Decision[] = [];
    if (averaging === undefined) {
      const recorded = this.#recorded;
      if (takesOver(recorded, score.loss, settings.nonmono)) {
        this.#setAveraging(freshAveraging);
        decisions.push({ told: 'averaged SGD from the next epoch on' });
      }
      this.state.values['recorded'] = [...recorded, score.loss];
    }
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
    const before = this.#best;
    if (before !== undefined && !(loss < before.loss)) return;
    await this.#device.execute([
      { kind: 'copy', parameters: averaging === undefined ? parameters : averages, target: best },
    ]);
    this.state.values['best'] = { epoch, loss, ...(averaging && { averaging: { ...averaging } }) };
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
    const saved = this.#best;
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

  get #best(): BestEpoch | undefined {
    const best: BestEpoch | undefined = bestOf(this.state.values);
    return best && { ...best, averaging: averagingOf(best) };
  }

  get #averaging(): Averaging | undefined {
    return averagingOf(this.state.values);
  }

  /** Validation losses of the epochs of plain SGD. */
  get #recorded(): readonly number[] {
    const { recorded } = this.state.values;
    if (Array.isArray(recorded) && recorded.every(Number.isFinite)) return recorded as readonly number[];
    throw new FileError('the checkpoint is damaged: expected a list of losses for the metadata recorded');
  }

  get #rollbacks(): number {
    const { rollbacks } = this.state.values;
    if (Number.isSafeInteger(rollbacks)) return rollbacks as number;
    throw new FileError('the checkpoint is damaged: expected an integer for the metadata rollbacks');
  }

  #setAveraging(averaging: Averaging | undefined): void {
    if (averaging === undefined) delete this.state.values['averaging'];
    else this.state.values['averaging'] = { ...averaging };
  }

  /** Lengths of an epoch that is taken anew are others. */
  #walkOf(epoch: number): readonly WalkStep[] {
    const { settings, seed, texts } = this.#source;
    const rollbacks = this.#rollbacks;
    const key = `${epoch} ${rollbacks}`;
    if (this.#walk?.key !== key) {
      const stream = { seed, epoch: epoch + rollbacks * settings.epochs };
      this.#walk = { key, steps: walkEpoch(texts.train.rows, settings, stream) };
    }
    return this.#walk.steps;
  }
}
