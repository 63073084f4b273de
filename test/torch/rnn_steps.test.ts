// Steps of trainings and searches of recurrent cells, as the methods ask devices for them, against PyTorch's: the float64 reference to the
// last digits, the CPU engine as near as darts-rnn.md wants it.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TorchTensor } from '../../bench/peers/tensor_file.ts';
import type { Command, Device, DropoutDraw, HypergradientCommand, Outcome, Program } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import { columnGroups, type TextColumns } from '../../src/data/text/columns.ts';
import { publishedGenotypes } from '../../src/genotype/published.ts';
import { defaultGroup, type Graph } from '../../src/graph/graph.ts';
import type { WalkStep } from '../../src/learn/text_walk.ts';
import { recurrentSearchPresets } from '../../src/methods/darts_rnn/settings.ts';
import {
  isAlphaGradient,
  recurrentSearchStep,
  type SearchPass,
  trainState as searchTrainState,
  sumsApart,
  validationState,
} from '../../src/methods/darts_rnn/step.ts';
import { type Averaging, freshAveraging } from '../../src/methods/train_rnn/averaging.ts';
import { languageTrainingPresets } from '../../src/methods/train_rnn/settings.ts';
import { languageStep, trainState } from '../../src/methods/train_rnn/step.ts';
import { buildLanguageModel, embeddingGroup, languageModelNames } from '../../src/network/language_model.ts';
import { type HypergradientParts, ReferenceCommands } from '../helpers/reference_commands.ts';
import { distances } from './goldens.ts';
import { masksOf, type RnnGolden, readRnnGolden, rnnSearches, rnnTrainings, weightNames } from './rnn_goldens.ts';

/** The names that masks have here, by the published ones. */
const maskNames = { e: 'encoder', i: 'dropouti', x: 'rnns.0.x', h: 'rnns.0.h', output: 'dropout' } as const;
/** Those of make_rnn.py, which divide float32 numbers without a rest. */
const dropouts = { dropoute: 0.2, dropouti: 0.2, dropoutx: 0.5, dropouth: 0.2, dropout: 0.5 };

/** What runs commands, and tells what they leave. */
interface Subject {
  parameters(graphs: readonly Graph[]): Promise<Parameters>;
  program(graph: Graph, columns: number, length: number, parameters: Parameters): Program;
  /** Of a hypergradient also its parts, as far as they can be known. */
  run(command: Command): Promise<Outcome & { readonly parts?: Partial<HypergradientParts> }>;
  values(parameters: Parameters, name: string): Promise<ArrayLike<number>>;
  alphaGradient(parameters: Parameters): Promise<ArrayLike<number>>;
}

class Results {
  readonly #rows = new Map<string, number[]>();

  note(name: string, ...values: readonly (ArrayLike<number> | number | undefined)[]): void {
    const rows = this.#rows.get(name) ?? [];
    for (const value of values) rows.push(...(typeof value === 'object' ? Array.from(value) : [value ?? Number.NaN]));
    this.#rows.set(name, rows);
  }

  /** In the golden's shapes. */
  tensors({ exact }: RnnGolden): Map<string, TorchTensor> {
    const entries = [...this.#rows].map(([name, values]): [string, TorchTensor] => [
      name,
      { shape: exact.get(name)?.shape ?? [], data: Float64Array.from(values) },
    ]);
    return new Map(entries);
  }
}

/** Weights and statistics by their names here. */
function startOf({ given }: RnnGolden): Map<string, Float64Array> {
  const start = new Map([...given].map(([name, { data }]) => [name, data]));
  const alpha = given.get('alpha');
  if (alpha !== undefined) start.set(languageModelNames.alpha, alpha.data);
  return start;
}

/** A text that a golden has row by row. */
function textOf({ given }: RnnGolden, name: string): TextColumns {
  const {
    shape: [rows, columns],
    data,
  } = given.get(name)!;
  const tokens = Int32Array.from(
    { length: rows * columns },
    (_, i) => data[(i % rows) * columns + Math.floor(i / rows)],
  );
  return { tokens, columns, rows };
}

function walkOf({ given, settings }: RnnGolden, rows: number): WalkStep[] {
  const lengths = [...given.get('lengths')!.data];
  return [...given.get('rows')!.data].map((row, step) => {
    const length = lengths[step];
    return { row, length, steps: Math.min(length, rows - 1 - row), rateFactor: length / settings['bptt'] };
  });
}

function drawOf(golden: RnnGolden, step: number, group: number, pass?: SearchPass): DropoutDraw {
  const masks = masksOf(golden, { step, group, pass });
  const names = Object.keys(maskNames) as (keyof typeof maskNames)[];
  const given = names.map((name) => [maskNames[name], Float32Array.from(masks[name].data)]);
  return { seed: 0, epoch: 0, step: 0, masks: Object.fromEntries(given) };
}

function sizesOf({ given, settings }: RnnGolden) {
  const [words, size] = given.get('encoder.weight')!.shape;
  const columns = given.get('train')!.shape[1];
  const groups = columnGroups(columns, columns / settings['groups']);
  return { words, size, columns, groups, count: groups[0].count };
}

async function weightsOf(subject: Subject, golden: RnnGolden, parameters: Parameters): Promise<number[]> {
  const all = await Promise.all(weightNames(golden).map((name) => subject.values(parameters, name)));
  return all.flatMap((values) => Array.from(values));
}

/** Five weight steps. */
async function trained(subject: Subject, golden: RnnGolden): Promise<Results> {
  const { words, size, columns, groups, count } = sizesOf(golden);
  const { lr, clip, wdecay, bptt, alpha, beta, averaged, current_rate } = golden.settings;
  const settings = {
    ...languageTrainingPresets.ptb.settings,
    ...{ lr, clip, wdecay, bptt, alpha, beta, batchSize: columns, currentRate: current_rate === 1 },
  };
  const states = Object.fromEntries(groups.map((_, group) => [trainState(group), count]));
  const genotype = publishedGenotypes['DARTS_V2_RNN'];
  if (genotype.recurrent === undefined) throw new Error('expected a recurrent genotype');
  const model = { words, size, genotype, dropouts, alpha, beta, share: count / columns, states };
  const { graph } = buildLanguageModel(model);
  const [parameters, averages] = [await subject.parameters([graph]), await subject.parameters([graph])];
  const program = subject.program(graph, count, Math.max(...golden.given.get('lengths')!.data), parameters);
  const train = textOf(golden, 'train');
  const results = new Results();
  let averaging: Averaging | undefined = averaged === 1 ? freshAveraging : undefined;
  for (const [step, walk] of walkOf(golden, train.rows).entries()) {
    const draws = (group: number) => drawOf(golden, step, group);
    const options = { program, averages, train, groups, settings, walk, averaging, drawOf: draws };
    for (const command of languageStep(options)) {
      const { loss, terms, gradientNorm = Number.NaN } = await subject.run(command);
      if (command.kind === 'gradients') {
        results.note('loss', loss);
        results.note('nll', terms?.[0]);
      }
      if (command.kind !== 'sgd') continue;
      results.note('gradientNorm', gradientNorm);
      results.note('coefficient', clip / (gradientNorm + 1e-6));
    }
    for (const group of groups.keys()) results.note('hidden', await subject.values(parameters, trainState(group)));
    results.note('weights', await weightsOf(subject, golden, parameters));
    if (averaging === undefined) continue;
    results.note('averages', await weightsOf(subject, golden, averages));
    averaging = { steps: averaging.steps + 1, factor: walk.rateFactor };
  }
  return results;
}

/** Three steps of a search. */
async function searched(subject: Subject, golden: RnnGolden): Promise<Results> {
  const { words, size, columns, groups, count } = sizesOf(golden);
  const { lr, clip, wdecay, bptt, alpha, beta, arch_lr: archLr, arch_wdecay: archWdecay } = golden.settings;
  const is = (name: string) => golden.settings[name] === 1;
  const settings = {
    ...recurrentSearchPresets.paper.settings,
    ...{ lr, clip, wdecay, bptt, alpha, beta, archLr, archWdecay, batchSize: columns, unrolled: is('unrolled') },
    ...{ newEmbedding: is('new_embedding'), clampCoefficient: is('clamped'), sameMasks: is('same_masks') },
    ...{ addGroups: is('add_groups'), zeroAtWrap: is('zero_at_wrap') },
  };
  const names = [...groups.keys()].flatMap((group) => [searchTrainState(group), validationState(group)]);
  const common = { words, size, dropouts, states: Object.fromEntries(names.map((name) => [name, count])) };
  const graphs = {
    training: buildLanguageModel({ ...common, alpha, beta, share: count / columns }).graph,
    likelihood: buildLanguageModel(common).graph,
  };
  const parameters = await subject.parameters([graphs.training, graphs.likelihood]);
  const programs = {
    training: subject.program(graphs.training, count, bptt, parameters),
    likelihood: subject.program(graphs.likelihood, count, bptt, parameters),
    ...(sumsApart(settings, groups.length) && {
      summing: subject.program(graphs.training, count, bptt, await subject.parameters(Object.values(graphs))),
    }),
  };
  const [train, validation] = [textOf(golden, 'train'), textOf(golden, 'validation')];
  const results = new Results();
  const walk = walkOf(golden, train.rows);
  for (const step of walk.keys()) {
    const draws = (group: number, pass: SearchPass) => drawOf(golden, step, group, pass);
    const place = { walk: walk[step], before: walk[step - 1], updates: step };
    for (const command of recurrentSearchStep({
      ...{ ...programs, train, validation, groups, settings, ...place, drawOf: draws },
    })) {
      const { loss, terms, gradientNorm = Number.NaN, parts } = await subject.run(command);
      if (isAlphaGradient(command)) {
        results.note('validationNll', loss);
        results.note('alphaGradient', await subject.alphaGradient(parameters));
        for (const [name, part] of Object.entries(parts ?? {})) {
          results.note(name, ...(part instanceof Map ? weightNames(golden).map((weight) => part.get(weight)) : [part]));
        }
      } else if (command.kind === 'gradients') {
        results.note('loss', loss);
        // Without a regulariser or a share there is but one.
        results.note('nll', terms?.[0] ?? loss);
      } else if (command.kind === 'adam') {
        results.note('alpha', await subject.values(parameters, languageModelNames.alpha));
      } else if (command.kind === 'sgd') {
        results.note('gradientNorm', gradientNorm);
        results.note('coefficient', clip / (gradientNorm + 1e-6));
      }
    }
    results.note('weights', await weightsOf(subject, golden, parameters));
    for (const group of groups.keys()) {
      results.note('hidden', await subject.values(parameters, searchTrainState(group)));
      results.note('validationHidden', await subject.values(parameters, validationState(group)));
    }
    results.note('runningMean', await subject.values(parameters, 'rnns.0.bn.running_mean'));
    results.note('runningVar', await subject.values(parameters, 'rnns.0.bn.running_var'));
  }
  return results;
}

function referenceSubject(golden: RnnGolden): Subject {
  const machine = new ReferenceCommands();
  return {
    parameters: async (graphs) => machine.parameters(graphs, startOf(golden)),
    program: (graph, columns, _, parameters) => machine.program(graph, columns, parameters),
    run: async (command) => machine.run(command),
    values: async (parameters, name) => machine.state(parameters).values.get(name)!,
    alphaGradient: async (parameters) => machine.state(parameters).gradients.get(languageModelNames.alpha)!,
  };
}

function deviceSubject(device: Device, golden: RnnGolden): Subject {
  const subject: Subject = {
    parameters: async (graphs) => {
      const parameters = await device.createParameters(graphs, { seed: 0 });
      for (const [name, values] of startOf(golden)) {
        if (parameters.map.places.has(name)) await parameters.set(name, Float32Array.from(values));
      }
      return parameters;
    },
    program: (graph, batchSize, length, parameters) => device.compile(graph, { batchSize, length, parameters }),
    run: async (command) => {
      if (command.kind !== 'hypergradient') return (await device.execute([command]))[0];
      const { unrolled, direct } = await atUnrolled(device, golden, command);
      const [outcome] = await device.execute([command]);
      const { gradientNorm: unrolledNorm = Number.NaN, directionNorm = Number.NaN } = outcome;
      const { clip } = golden.settings;
      const whole = await subject.alphaGradient(command.program.parameters);
      return {
        ...outcome,
        parts: {
          ...{ unrolledNorm, unrolledCoefficient: clip / (unrolledNorm + 1e-6), unrolled, direct, directionNorm },
          epsilon: 0.01 / (directionNorm * Math.min(1, clip / (directionNorm + 1e-6))),
          implicit: direct.map((value, i) => value - whole[i]),
        },
      };
    },
    values: async (parameters, name) => (await parameters.get(name)).data,
    alphaGradient: async (parameters) => (await parameters.gradient(languageModelNames.alpha)).data,
  };
  return subject;
}

/** w' and alpha's gradient there, by steps that anybody may ask a device for, on a copy of all that a hypergradient starts from. */
async function atUnrolled(device: Device, golden: RnnGolden, command: HypergradientCommand) {
  const { program: own, train, validation, learningRate, weightDecay, maxNorm = 1, heldGroups = [] } = command;
  const { graph, batchSize, length } = own;
  using parameters = await device.createParameters(graph, { seed: 0 });
  using program = device.compile(graph, { batchSize, length, parameters });
  const groups = [defaultGroup, embeddingGroup].filter((group) => !heldGroups.includes(group));
  const rates = { learningRate, weightDecay, momentum: 0, maxNorm: Number.POSITIVE_INFINITY };
  for (const name of parameters.names()) await parameters.set(name, (await own.parameters.get(name)).data);
  await device.execute([
    { kind: 'gradients', program, batch: train, target: 'weights' },
    { kind: 'clip', parameters, maxNorm },
    { kind: 'sgd', parameters, groups, ...rates },
    { kind: 'gradients', program, batch: validation, target: 'alpha' },
  ]);
  const unrolled = new Map<string, Float64Array>();
  for (const name of weightNames(golden)) unrolled.set(name, Float64Array.from((await parameters.get(name)).data));
  return { unrolled, direct: Float64Array.from((await parameters.gradient(languageModelNames.alpha)).data) };
}

/** What only the float64 reference shows of a hypergradient. */
const hiddenParts = ['plus', 'minus'];

const tolerance = 1e-5;
/** A difference of two gradients over 2ε: it loses what they have in common. */
const implicitTolerance = 8e-5;

/** What of a hypergradient is off by more than the rest is its implicit part. */
function toleranceOf({ exact }: RnnGolden, group: string): number {
  if (group === 'implicit') return implicitTolerance;
  if (group !== 'alphaGradient' || !exact.has('implicit')) return tolerance;
  const [whole, direct, implicit] = [group, 'direct', 'implicit'].map((name) => Math.hypot(...exact.get(name)!.data));
  return (tolerance * direct + implicitTolerance * implicit) / whole;
}

let device: Device;
beforeAll(async () => {
  device = await openDevice({ backend: 'cpu', threads: 2 });
});
afterAll(() => device?.dispose());

const cases = [
  ...rnnTrainings.map((name) => [name, trained] as const),
  ...rnnSearches.map((name) => [name, searched] as const),
];

describe.each(cases)('%s', (name, work) => {
  const golden = readRnnGolden(name);

  it('is what the float64 reference makes of the commands, in every tensor', async () => {
    const tensors = (await work(referenceSubject(golden), golden)).tensors(golden);
    expect([...tensors.keys()].sort()).toEqual([...golden.exact.keys()].sort());
    for (const [group, distance] of distances(golden, tensors)) expect(distance, group).toBeLessThan(1e-9);
  });

  it('is what the CPU engine makes of them', async () => {
    const tensors = (await work(deviceSubject(device, golden), golden)).tensors(golden);
    const shown = [...golden.exact.keys()].filter((key) => !hiddenParts.includes(key));
    expect([...tensors.keys()].sort()).toEqual(shown.sort());
    for (const [group, distance] of distances(golden, tensors)) {
      if (!hiddenParts.includes(group)) expect(distance, group).toBeLessThan(toleranceOf(golden, group));
    }
  });
});
