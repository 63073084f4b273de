// A step of a language model, as the methods take it: of a search for recurrent cells, or of the training of DARTS_V2's.
import type { Command, Device } from '../../src/backend/device.ts';
import { columnGroups, columnsOf } from '../../src/data/text/columns.ts';
import { recurrentGenotypes } from '../../src/genotype/published/recurrent.ts';
import { dropoutsOf } from '../../src/learn/language_settings.ts';
import { recurrentSearchPresets } from '../../src/methods/darts_rnn/settings.ts';
import { recurrentSearchStep, searchDraws, trainState, validationState } from '../../src/methods/darts_rnn/step.ts';
import { languageTrainingPresets } from '../../src/methods/train_rnn/settings.ts';
import { buildLanguageModel, languageModelNames } from '../../src/network/language_model.ts';
import { type LanguageWork, passes, type StepSizes } from '../support/work.ts';
import type { StepOptions } from './ours.ts';

const genotype = recurrentGenotypes['DARTS_V2_RNN'];

/** Words that differ, where nobody says: those of PTB. */
const usualWords = 10_000;

/** A language model on a device, and how a step of `layers` times is taken. */
export async function openLanguageStep(device: Device, options: StepOptions & { readonly work: LanguageWork }) {
  return options.work === 'language evaluation' ? openTraining(device, options) : openSearch(device, options);
}

async function openSearch(device: Device, { work, ...sizes }: StepOptions) {
  const { batch, channels, layers: length, size: words = usualWords } = sizes;
  const settings = {
    ...recurrentSearchPresets.paper.settings,
    bptt: length,
    unrolled: work === 'language second order',
  };
  const states = { [trainState(0)]: batch, [validationState(0)]: batch };
  const model = { words, size: channels, dropouts: dropoutsOf(settings), states };
  const graphs = {
    training: buildLanguageModel({ ...model, beta: settings.beta }).graph,
    likelihood: buildLanguageModel(model).graph,
  };
  const parameters = await device.createParameters(Object.values(graphs), { seed: 0 });
  const compile = (graph: typeof graphs.training) => device.compile(graph, { batchSize: batch, length, parameters });
  const text = columnsOf(randomText(batch * (length + 1), words), batch);
  const options = {
    ...{ training: compile(graphs.training), likelihood: compile(graphs.likelihood), train: text, validation: text },
    groups: columnGroups(batch, batch),
    ...{ settings, walk: { row: 0, steps: length, length, rateFactor: 1 } },
  };
  const stepOf = (updates: number) =>
    recurrentSearchStep({ ...options, updates, drawOf: searchDraws({ seed: 0, epoch: 0, updates }, 1) });
  return { take: (step: number) => device.execute(stepOf(step - 1)) };
}

async function openTraining(device: Device, sizes: StepSizes) {
  const { batch, channels, layers: length, size: words = usualWords } = sizes;
  const { settings } = languageTrainingPresets.ptb;
  const { beta, lr: learningRate, wdecay: weightDecay, clip: maxNorm } = settings;
  const model = { words, size: channels, genotype, dropouts: dropoutsOf(settings), beta, states: { hidden: batch } };
  const { graph } = buildLanguageModel(model);
  const parameters = await device.createParameters(graph, { seed: 0 });
  const program = device.compile(graph, { batchSize: batch, length, parameters });
  const [inputs, labels] = [randomText(batch * length, words), randomText(batch * length, words)];
  const take = (step: number) => {
    const batch = {
      inputs: { [languageModelNames.words]: inputs },
      labels,
      hidden: { from: 'hidden', to: 'hidden' },
      dropout: { seed: 0, epoch: 0, step },
    };
    const commands: Command[] = [
      { kind: 'gradients', program, batch, target: 'weights' },
      { kind: 'sgd', parameters, learningRate, momentum: 0, weightDecay, maxNorm },
    ];
    return device.execute(commands);
  };
  return { take };
}

function randomText(count: number, words: number): Int32Array {
  return Int32Array.from({ length: count }, (_, place) => (place * 7919) % words);
}

/** Multiply-accumulates of a step for each column: products of the cell and of the decoder, forward once a pass. */
export function languageArithmetic(
  work: LanguageWork,
  { channels, layers, size: words = usualWords }: StepSizes,
): number {
  const pairs = work === 'language evaluation' ? 8 : 36;
  return passes[work] * layers * ((4 + 2 * pairs) * channels ** 2 + channels * words);
}
