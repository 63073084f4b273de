// A search for recurrent cells on a text: alpha learns on the validation text, the weights on the training text.
import type { Device, Program } from '../../backend/device.ts';
import type { Parameters } from '../../backend/parameters.ts';
import { type ColumnRange, columnGroups, columnsOf, type TextColumns } from '../../data/text/columns.ts';
import type { Corpus } from '../../data/text/corpus.ts';
import { usualNodes } from '../../genotype/recurrent.ts';
import { type BestText, bestOf } from '../../learn/best_text.ts';
import { dropoutsOf, groupSize } from '../../learn/language_settings.ts';
import { NamedMeans } from '../../learn/named_means.ts';
import { scoredText, scoreText } from '../../learn/score_text.ts';
import { fewestWalkedRows, type WalkStep, walkEpoch } from '../../learn/text_walk.ts';
import { buildLanguageModel, languageModelNames } from '../../network/language_model.ts';
import { mixingWeights } from '../../network/mixing.ts';
import { Resources } from '../../resources.ts';
import type { RowsByTable } from '../../select/alpha.ts';
import { type AlphaLayout, selectableOf } from '../../select/layout.ts';
import { recurrentRows } from '../../select/recurrent_rows.ts';
import { genotypeOf } from '../../select/strongest_edges.ts';
import type {
  EpochReport,
  InitialArchitecture,
  MethodContext,
  MethodDescription,
  MethodResult,
  MethodRun,
  Position,
  RunState,
  Stage,
  StepReport,
} from '../method.ts';
import type { RecurrentSearchSettings } from './settings.ts';
import {
  recurrentSearchStep,
  recurrentStepOutcome,
  searchDraws,
  sumsApart,
  trainState,
  validationState,
} from './step.ts';

const scoreState = 'hidden.score';

/** The texts of a search, cut into columns. */
interface Texts {
  readonly train: TextColumns;
  /** As alpha learns from it. */
  readonly validation: TextColumns;
  readonly scored: TextColumns;
  readonly groups: readonly ColumnRange[];
}

/** A search, before anything lies on a device. Throws ArgumentError for sizes that do not fit the text. */
export async function describeRecurrentSearch(
  context: MethodContext<RecurrentSearchSettings, Corpus>,
): Promise<MethodDescription> {
  const { settings, dataset } = context;
  const { batchSize } = settings;
  const name = 'batchSize (--batch-size)';
  const texts: Texts = {
    train: columnsOf(dataset.train, batchSize, { least: fewestWalkedRows, name }),
    validation: columnsOf(dataset.valid, batchSize, { name }),
    scored: scoredText(dataset.valid),
    groups: columnGroups(batchSize, groupSize(settings), 'smallBatchSize (--small-batch-size)'),
  };
  const models = modelsOf(context, texts);
  const clears = texts.groups.length > 1 && !settings.addGroups;
  return {
    dataset,
    graphs: { supernet: models.training.graph },
    space: 'rnn',
    layers: 1,
    notices: clears
      ? [
          `as published, only the last of ${texts.groups.length} groups of columns moves the weights: --add-groups adds all`,
        ]
      : [],
    trainSamples: texts.train.rows * batchSize,
    validationSamples: texts.scored.rows * texts.scored.columns,
    open: (device) => openRecurrentSearch(device, context, texts, models),
  };
}

function modelsOf({ settings, dataset }: MethodContext<RecurrentSearchSettings, Corpus>, { groups, scored }: Texts) {
  const columns = groups[0].count;
  const names = groups.flatMap((_, group) => [trainState(group), validationState(group)]);
  const states = { ...Object.fromEntries(names.map((name) => [name, columns])), [scoreState]: scored.columns };
  const { alpha, beta, emsize: size } = settings;
  const common = { words: dataset.vocabulary.words.length, size, dropouts: dropoutsOf(settings), states };
  return {
    training: buildLanguageModel({ ...common, alpha, beta, share: columns / settings.batchSize }),
    likelihood: buildLanguageModel(common),
  };
}

async function openRecurrentSearch(
  device: Device,
  { settings, seed }: MethodContext<RecurrentSearchSettings, Corpus>,
  texts: Texts,
  { training, likelihood }: ReturnType<typeof modelsOf>,
): Promise<MethodRun> {
  using resources = new Resources();
  const graphs = [training.graph, likelihood.graph];
  const parameters = resources.use(await device.createParameters(graphs, { seed }));
  const best = resources.use(await device.createParameters(graphs, { seed }));
  const how = { batchSize: texts.groups[0].count, length: settings.bptt, parameters };
  const apart = async () => {
    const own = resources.use(await device.createParameters(graphs, { seed }));
    return resources.use(device.compile(training.graph, { ...how, parameters: own }));
  };
  const programs = {
    training: resources.use(device.compile(training.graph, how)),
    likelihood: resources.use(device.compile(likelihood.graph, how)),
    scored: resources.use(device.compile(likelihood.graph, { ...how, batchSize: texts.scored.columns })),
    ...(sumsApart(settings, texts.groups.length) && { summing: await apart() }),
  };
  return new RecurrentSearch(device, { settings, seed, texts, programs, parameters, best }, resources);
}

interface Source {
  readonly settings: RecurrentSearchSettings;
  readonly seed: number;
  readonly texts: Texts;
  readonly programs: Readonly<Record<'training' | 'likelihood' | 'scored', Program>> & { readonly summing?: Program };
  readonly parameters: Parameters;
  readonly best: Parameters;
}

const layout: AlphaLayout = {
  nodes: usualNodes,
  tables: { recurrent: { name: languageModelNames.alpha, rows: recurrentRows(usualNodes) } },
};

class RecurrentSearch implements MethodRun {
  readonly state: RunState;
  readonly #device: Device;
  readonly #source: Source;
  readonly #means: NamedMeans;
  readonly #resources: Resources;
  #walk: { readonly epoch: number; readonly steps: readonly WalkStep[] } | undefined;

  /** Takes what `resources` hold once nothing can fail any more. */
  constructor(device: Device, source: Source, resources: Resources) {
    this.#device = device;
    this.#source = source;
    const { parameters, best } = source;
    this.state = {
      parameters: {
        supernet: { parameters, optimizer: true },
        best: { parameters: best, optimizer: false },
      },
      values: {},
    };
    this.#means = new NamedMeans(this.state.values);
    this.#resources = resources.move();
  }

  async stage(index: number): Promise<Stage | undefined> {
    if (index > 0) return undefined;
    const stepsOf = (epoch: number) => this.#walkOf(epoch).length;
    return { name: 'search', epochs: this.#source.settings.epochs, steps: stepsOf(0), stepsOf };
  }

  async step({ epoch, step, updates }: Position): Promise<StepReport> {
    const { settings, seed, texts, programs } = this.#source;
    const walk = this.#walkOf(epoch);
    const drawOf = searchDraws({ seed, epoch, updates }, texts.groups.length);
    const steps = { walk: walk[step], before: walk[step - 1], updates };
    const options = { ...texts, ...programs, settings, ...steps, drawOf };
    const commands = recurrentSearchStep(options);
    const outcomes = await this.#device.execute(commands);
    const { loss, validationLoss, gradientNorm } = recurrentStepOutcome(commands, outcomes);
    const samples = walk[step].steps * settings.batchSize;
    this.#means.add(samples, { trainLoss: loss, searchLoss: validationLoss });
    return {
      samples,
      measures: { loss, perplexity: Math.exp(loss), validationLoss },
      gradientNorm,
      last: step + 1 === walk.length,
    };
  }

  async endEpoch({ epoch }: Position, signal?: AbortSignal): Promise<EpochReport> {
    const { settings, texts, programs, parameters, best } = this.#source;
    const { scored: program } = programs;
    const { bptt } = settings;
    const score = await scoreText({
      device: this.#device,
      program,
      text: texts.scored,
      bptt,
      state: scoreState,
      signal,
    });
    const before = bestOf(this.state.values);
    if (before === undefined || score.loss < before.loss) {
      await this.#device.execute([{ kind: 'copy', parameters, target: best }]);
      this.state.values['best'] = { epoch, loss: score.loss } satisfies BestText;
    }
    const means = this.#means.end();
    this.state.values['score'] = { validationLoss: score.loss, validationPerplexity: score.perplexity };
    const { alpha, mixing } = await this.#architecture();
    return {
      measures: {
        learningRate: settings.lr,
        ...means,
        trainPerplexity: Math.exp(means['trainLoss']),
        ...{ validationLoss: score.loss, validationPerplexity: score.perplexity },
        ...{ exactPerplexity: score.exactPerplexity, bitsPerWord: score.bitsPerWord },
      },
      architecture: { genotype: genotypeOf(selectableOf(layout), mixing), alpha },
    };
  }

  async architecture(): Promise<InitialArchitecture> {
    return { alpha: (await this.#architecture()).alpha, layout, activation: 'softmax' };
  }

  async result(): Promise<MethodResult> {
    const { mixing } = await this.#architecture();
    const scores = this.state.values['score'] as Readonly<Record<string, number>>;
    return { genotype: genotypeOf(selectableOf(layout), mixing), mixing, scores, weights: this.#source.best };
  }

  [Symbol.dispose](): void {
    this.#resources[Symbol.dispose]();
  }

  #walkOf(epoch: number): readonly WalkStep[] {
    const { settings, seed, texts } = this.#source;
    if (this.#walk?.epoch !== epoch) {
      this.#walk = { epoch, steps: walkEpoch(texts.train.rows, { bptt: settings.bptt }, { seed, epoch }) };
    }
    return this.#walk.steps;
  }

  async #architecture(): Promise<{ readonly alpha: RowsByTable; readonly mixing: RowsByTable }> {
    const { name, rows } = layout.tables['recurrent'];
    const { data } = await this.#source.parameters.get(name);
    const lengths = rows.map(({ candidates }) => candidates.length);
    const rowsOf = (values: Float32Array) =>
      lengths.map((length, row) => [...values.subarray(row * length, (row + 1) * length)]);
    return { alpha: { [name]: rowsOf(data) }, mixing: { [name]: mixingWeights(data, lengths, 'softmax') } };
  }
}
