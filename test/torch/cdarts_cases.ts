// CDARTS' cycle on a backend against what PyTorch gave in float64, where there is no PyTorch.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { TorchTensor } from '../../bench/peers/tensor_file.ts';
import type { BackendName, Device, Outcome } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { ParameterPlace } from '../../src/backend/parameter_map.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { cellsOf, type Genotype, oneCell } from '../../src/genotype/genotype.ts';
import { Cycle, type JointOutcome } from '../../src/methods/cdarts/cycle.ts';
import { regularisedEntries, regularWeight } from '../../src/methods/cdarts/regularised.ts';
import { decisionRule, openCdarts } from '../../src/methods/cdarts/run.ts';
import { type CdartsSettings, cdartsPresets } from '../../src/methods/cdarts/settings.ts';
import type { MethodRun } from '../../src/methods/method.ts';
import { buildCyclicNetworks, type CyclicNetworks } from '../../src/network/cyclic.ts';
import { permutation } from '../../src/random/philox.ts';
import { readAlpha } from '../../src/select/alpha.ts';
import { selectGenotype } from '../../src/select/rules.ts';
import {
  type CdartsGolden,
  cdarts,
  cdartsAuthorsForms,
  cdartsBatch,
  cdartsForms,
  cdartsLogits,
  cdartsSettings,
  cdartsSpaces,
  cdartsWeight,
  checksums,
  decisionFiles,
} from './cdarts_goldens.ts';
import { fromTorch, toTorch } from './exchange.ts';
import { expectGolden, gathered } from './golden_cases.ts';
import { batchSize, classes, drawBytes } from './goldens.ts';

type Tensors = Map<string, TorchTensor>;

/** All of them. */
const forms: Readonly<Record<CdartsGolden, Partial<CdartsSettings>>> = { ...cdartsForms, ...cdartsAuthorsForms };
export const cdartsGoldens = Object.keys(forms) as CdartsGolden[];
const seed = 0;

/** Batches of each half in a whole search. */
type Taken = Readonly<Record<'train' | 'validation', number>>;

/** Of three epochs, the first of them a warm-up; E's own batch in each other one is of the half that the settings say. */
function takenBy({ nasnetWarmupHalf }: CdartsSettings): Taken {
  return nasnetWarmupHalf === 'train' ? { train: 5, validation: 2 } : { train: 3, validation: 4 };
}

/** Both networks of a golden. */
export function cdartsNetworks(golden: CdartsGolden): CyclicNetworks {
  const { size } = cdarts;
  const { initChannels, layers, evaluationLayers, stemMultiplier, shareModule, ...form } = settingsOf(golden);
  return buildCyclicNetworks({
    ...{ inputShape: [size, size, 3], classes, initChannels, layers, evaluationLayers, stemMultiplier, shareModule },
    ...{ space: cdartsSpaces[golden], shareClassifier: form.shareFc, nodes: form.nodes, ensembleSum: form.ensembleSum },
    ensemble: form.ensemble === 'own' ? 'own' : 'shared',
  });
}

/** All settings of a golden. */
export function settingsOf(golden: CdartsGolden): CdartsSettings {
  const { channels: initChannels, searchLayers: layers, evaluationLayers } = cdarts;
  const sizes = { batchSize, initChannels, layers, evaluationLayers };
  return { ...cdartsPresets.cdarts.settings, ...cdartsSettings, ...sizes, ...forms[golden] };
}

/** The first value of a weight or a table of alpha, in our layout; running statistics of ours begin as PyTorch's do. */
export function cdartsStart(networks: CyclicNetworks, name: string, { spec, size }: ParameterPlace): Float32Array {
  if (spec.role === 'alpha') return Float32Array.from(startOfTable(networks, name));
  const { shape } = toTorch({ shape: spec.shape, data: new Float64Array(size) }, spec.layout);
  return Float32Array.from(fromTorch(cdartsWeight(theirName(name), shape), spec.layout).data);
}

function startOfTable({ search: { tables } }: CyclicNetworks, name: string): number[] {
  return Object.entries(tables).flatMap(([kind, table]) => {
    if (table.betas === name) return [2, 3, 4, 5].flatMap((edges) => [...cdartsLogits(`${kind}_n${edges}`, edges)]);
    if (table.name !== name) return [];
    return table.edges.flatMap(({ node, input, candidates }) => {
      const key = kind === oneCell ? `${node + 1}<-${input}` : `${kind}_n${node + 2}_p${input}`;
      return [...cdartsLogits(key, candidates.length)];
    });
  });
}

/** NNI's name behind the network's letter. */
export function theirName(name: string): string {
  return name.replace(/^search\./, 'S.').replace(/^evaluation\./, 'E.');
}

/** Tests of every search on a backend, of the CPU with one of its instruction sets. */
export function describeCdartsGoldens(backend: BackendName, instructionSet?: string): void {
  describe.each(cdartsGoldens)(`PyTorch's golden %s on ${instructionSet ?? backend}`, (golden) => {
    let device: Device;
    beforeAll(async () => {
      device = await openDevice({ backend, threads: 2, instructionSet });
    });
    afterAll(() => device?.dispose());

    it('holds of the first joint step and of the whole search, to the byte of what it decides', async () => {
      const step = await firstJointStep(device, golden);
      const searched = await search(device, golden);
      // Files first: a decision that differs says more than the numbers behind it.
      expect(searched.files).toEqual(decisionFiles(golden));
      expectGolden(golden, new Map([...step, ...searched.tensors]));
    });
  });
}

/** What a joint step makes of the first values. */
async function firstJointStep(device: Device, golden: CdartsGolden): Promise<Tensors> {
  const networks = cdartsNetworks(golden);
  const settings = settingsOf(golden);
  const { search: student, layout } = networks;
  using parameters = await device.createParameters([student.graph, layout], { seed, secondMoments: true });
  await writeStart(networks, parameters);
  const regularised = regularisedBy(networks, settings);
  using cycle = new Cycle(device, { networks, parameters, settings, regularised, reached: [] });
  const { alpha, mixing } = await readAlpha(student, parameters);
  cycle.decide(selectGenotype(student, mixing, decisionRule(settings), alpha));
  const [train, validation] = [
    await gathered(device, cdartsBatch(golden, 'train', 0), cdarts.size),
    await gathered(device, cdartsBatch(golden, 'validation', 0), cdarts.size),
  ];
  const weight = regularWeight(settings, settings.warmupEpochs);
  const execute = vi.spyOn(device, 'execute');
  const outcome = await cycle.jointStep({ train, validation, regularWeight: weight, update: 0 });
  const figures = jointFigures(outcome, await lastOutcomes(execute), penaltyWeight(networks, settings, weight));
  execute.mockRestore();
  const tensors: Tensors = new Map();
  for (const [name, value] of Object.entries(figures)) {
    tensors.set(`step.${name}`, { shape: [], data: Float64Array.of(value) });
  }
  tensors.set('stepGradient', await rowsOf(networks, (table) => parameters.gradient(table)));
  tensors.set('stepAlpha', await rowsOf(networks, (table) => parameters.get(table)));
  if (settings.nodes === 'learnt') tensors.set('stepBeta', await betasOf(networks, parameters));
  for (const { dataset } of [train, validation]) dataset.dispose();
  return new Map([...tensors, ...(await networkChecksums(parameters, 'stepWeight', 'stepBuffer'))]);
}

/** A whole search as the method runs it: what it reports, leaves and writes. */
async function search(device: Device, golden: CdartsGolden) {
  const networks = cdartsNetworks(golden);
  const settings = settingsOf(golden);
  using run = await openCdarts(device, {
    ...{ networks, settings, seed, regularised: regularisedBy(networks, settings) },
    ...{ dataset: datasetOfBatches(golden, takenBy(settings)), split: splitInOrder(takenBy(settings)) },
    augment: { randomResizedCrop: false, autoAugment: 'off', colorJitter: 0, hueJitter: 0 },
  });
  const { parameters } = run.state.parameters['networks'];
  await writeStart(networks, parameters);
  const figures: Record<string, number[]> = {};
  const note = (part: string, values: Readonly<Record<string, number>>) => {
    for (const [name, value] of Object.entries(values)) {
      const key = `${part}.${name}`;
      figures[key] = [...(figures[key] ?? []), value];
    }
  };
  const history: TorchTensor[] = [];
  const betas: TorchTensor[] = [];
  const decisions: number[] = [];
  const files = new Map<string, string>();
  const execute = vi.spyOn(device, 'execute');
  for await (const { measures, gradientNorm, ended, weight } of walk(run, settings)) {
    if (ended !== undefined) {
      for (const [name, text] of Object.entries(ended.files ?? {})) files.set(name, text as string);
      decisions.push(...decisionOf(networks, ended.architecture!.genotype));
      history.push(await rowsOf(networks, (table) => parameters.get(table)));
      if (settings.nodes === 'learnt') betas.push(await betasOf(networks, parameters));
    } else if ('distance' in measures) {
      const outcome = { ...measures, gradientNorm } as unknown as JointOutcome;
      note('joint', jointFigures(outcome, await lastOutcomes(execute), penaltyWeight(networks, settings, weight)));
    } else if ('evaluationLoss' in measures) note('evaluation', { loss: measures['evaluationLoss'], gradientNorm });
    else note('warmup', { loss: measures['loss'], gradientNorm });
  }
  execute.mockRestore();
  const tensors: Tensors = new Map(
    Object.entries(figures).map(([name, values]) => [
      name,
      { shape: [values.length], data: Float64Array.from(values) },
    ]),
  );
  const [{ shape }] = history;
  tensors.set('alpha', stacked(history));
  if (betas.length > 0) tensors.set('beta', stacked(betas));
  tensors.set('decision', { shape: [history.length, shape[0]], data: Float64Array.from(decisions) });
  const sums = await networkChecksums(parameters, 'weight', 'buffer');
  return { tensors: new Map([...tensors, ...sums]), files };
}

/** One behind another. */
function stacked(tensors: readonly TorchTensor[]): TorchTensor {
  const data = Float64Array.from(tensors.flatMap((tensor) => [...tensor.data]));
  return { shape: [tensors.length, ...tensors[0].shape], data };
}

function regularisedBy({ search: student }: CyclicNetworks, settings: CdartsSettings) {
  const { regularised, regularStridedSkips: stridedSkips } = settings;
  return regularisedEntries(student, { candidates: regularised.split(' '), stridedSkips });
}

/** What the regulariser's sum of sizes counts in the loss. */
function penaltyWeight({ search: { tables } }: CyclicNetworks, settings: CdartsSettings, weight: number): number {
  const { regularCount, regularMean } = settings;
  // Of one candidate an edge.
  const edges = Object.values(tables).reduce((count, table) => count + table.edges.length, 0);
  return (regularCount * weight) / (regularMean ? edges : 1);
}

/** Takes all steps of a run; behind the last one of an epoch comes what that gave. λ is that of the epoch. */
async function* walk(run: MethodRun, settings: CdartsSettings) {
  let [updates, epochs] = [0, 0];
  for (let stage = 0; ; stage++) {
    const found = await run.stage(stage);
    if (found === undefined) return;
    for (let epoch = 0; epoch < found.epochs; epoch++) {
      const weight = regularWeight(settings, epochs++);
      let [step, last] = [0, false];
      while (!last) {
        const report = await run.step({ stage, epoch, step: step++, updates: updates++ });
        last = report.last;
        yield { ...report, ended: undefined, weight };
      }
      const ended = await run.endEpoch({ stage, epoch, step, updates });
      yield { measures: {}, gradientNorm: Number.NaN, ended, weight };
    }
  }
}

/** A joint step's figures by the goldens' names; what ours does not report is what the device told. */
function jointFigures(outcome: JointOutcome, outcomes: readonly Outcome[], weight: number): Record<string, number> {
  const { loss, validationLoss, evaluationValidationLoss, distance, regulariser } = outcome;
  // One that moves weights whose gradients were clipped before clips none.
  const norms = outcomes.flatMap(({ gradientNorm }, index) =>
    gradientNorm === undefined || outcomes[index - 1]?.gradientNorm !== undefined ? [] : [gradientNorm],
  );
  const [jointNorm, gradientNorm] = norms;
  expect([norms.length, outcome.gradientNorm]).toEqual([2, Math.max(...norms)]);
  return {
    ...{ searchLoss: validationLoss, evaluationLoss: evaluationValidationLoss, distillation: distance },
    ...{ regulariser: weight * regulariser, jointLoss: outcomes[0].loss! + weight * regulariser },
    ...{ jointNorm, loss, gradientNorm },
  };
}

async function lastOutcomes(execute: { readonly mock: { readonly results: readonly { readonly value: unknown }[] } }) {
  return (await execute.mock.results.at(-1)!.value) as Outcome[];
}

async function writeStart(networks: CyclicNetworks, parameters: Parameters): Promise<void> {
  for (const [name, place] of parameters.map.places) {
    if (place.spec.role !== 'buffer') await parameters.set(name, cdartsStart(networks, name, place));
  }
}

/** All tables one after another: a row an edge. */
async function rowsOf(
  { search: { tables } }: CyclicNetworks,
  read: (table: string) => Promise<{ readonly data: Float32Array }>,
): Promise<TorchTensor> {
  const parts = await Promise.all(Object.values(tables).map(({ name }) => read(name)));
  const data = Float64Array.from(parts.flatMap((part) => [...part.data]));
  const rows = Object.values(tables).reduce((count, { edges }) => count + edges.length, 0);
  return { shape: [rows, data.length / rows], data };
}

/** How much edges count, one of a node behind another, those of the normal cell first. */
async function betasOf({ search: { tables } }: CyclicNetworks, parameters: Parameters): Promise<TorchTensor> {
  const parts = await Promise.all(Object.values(tables).map(({ betas }) => parameters.get(betas!)));
  const data = Float64Array.from(parts.flatMap((part) => [...part.data]));
  return { shape: [data.length], data };
}

/** The candidate of every edge of all cells, -1 where none is kept. */
function decisionOf({ search: { tables } }: CyclicNetworks, genotype: Genotype): number[] {
  const cells = new Map(cellsOf(genotype));
  return Object.entries(tables).flatMap(([key, { edges }]) =>
    edges.map(({ node, input, candidates }) => {
      const entry = cells.get(key)!.nodes[node].find((one) => one.input === input);
      return candidates.findIndex(({ name }) => name === entry?.operation);
    }),
  );
}

async function networkChecksums(parameters: Parameters, weights: string, buffers: string): Promise<Tensors> {
  const tensors = { weight: new Map<string, TorchTensor>(), buffer: new Map<string, TorchTensor>() };
  for (const [name, { spec }] of parameters.map.places) {
    if (spec.role === 'alpha' || spec.role === 'state') continue;
    tensors[spec.role].set(theirName(name), toTorch(await parameters.get(name), spec.layout));
  }
  return new Map([...checksums(weights, tensors.weight), ...checksums(buffers, tensors.buffer)]);
}

/** The batches of both halves one after another, as a dataset. */
function datasetOfBatches(golden: CdartsGolden, taken: Taken): Dataset {
  const names = (['train', 'validation'] as const).flatMap((half) =>
    Array.from({ length: taken[half] }, (_, index) => cdartsBatch(golden, half, index)),
  );
  const parts = names.map((name) => drawBytes(name, cdarts.size));
  const images = Uint8Array.from(parts.flatMap((part) => [...part.images]));
  const labels = Int32Array.from(parts.flatMap((part) => [...part.labels]));
  return {
    ...{ name: 'goldens', train: { images, labels, shape: [cdarts.size, cdarts.size, 3] } },
    ...{ classes, classNames: [], notices: [] },
    ...{ mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5], augmentation: { pad: 0, flip: false } },
  };
}

/** Halves whose first passes, shuffled as a search shuffles them, take the images in their order. */
function splitInOrder(taken: Taken) {
  const inOrder = (first: number, batches: number, purpose: 'trainOrder' | 'validationOrder') => {
    const order = permutation({ seed, purpose, epoch: 0, step: 0 }, batches * batchSize);
    const positions = new Uint32Array(order.length);
    for (const [index, place] of order.entries()) positions[place] = first + index;
    return positions;
  };
  return {
    train: inOrder(0, taken.train, 'trainOrder'),
    validation: inOrder(taken.train * batchSize, taken.validation, 'validationOrder'),
  };
}
