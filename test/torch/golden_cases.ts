// Supernet, search and derived networks on a backend against what PyTorch gave in float64, where there is no PyTorch.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TorchTensor } from '../../bench/peers/tensor_file.ts';
import type { BackendName, Device, Program } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import type { Genotype } from '../../src/genotype/genotype.ts';
import { genotypes } from '../../src/genotype/published.ts';
import { parseGenotype } from '../../src/genotype/text.ts';
import { weightStepOutcome } from '../../src/learn/weight_step.ts';
import { resolveSettings } from '../../src/methods/darts/settings.ts';
import { dartsStep, dartsStepOutcome } from '../../src/methods/darts/step.ts';
import { type FairdartsSettings, fairdartsPresets } from '../../src/methods/fairdarts/settings.ts';
import { fairdartsParts } from '../../src/methods/fairdarts/step.ts';
import { oneLevelStep } from '../../src/methods/one_level_step.ts';
import { memberSpace } from '../../src/methods/stacnas/groups.ts';
import { stacnasPresets } from '../../src/methods/stacnas/settings.ts';
import { buildDerivedNetwork } from '../../src/network/derived.ts';
import { buildSupernet, type Supernet } from '../../src/network/supernet.ts';
import type { Network } from '../../src/skeleton/skeleton.ts';
import { resolveSpace, type SearchSpace, spaces } from '../../src/space/space.ts';
import { toTorch } from './exchange.ts';
import {
  arch,
  batchSize,
  classes,
  derived,
  digest,
  distances,
  drawArenas,
  drawBatch,
  drawBytes,
  fairForms,
  fairRates,
  gradClip,
  nasbench201,
  otherOperations,
  rates,
  readGolden,
  searched,
  searchSteps,
  stageClip,
  stages,
  training,
  triples,
  weighted,
} from './goldens.ts';

type Tensors = Map<string, TorchTensor>;

/** The supernet of the goldens. */
export const supernet = buildSupernet({
  inputShape: [searched.size, searched.size, 3],
  classes,
  initChannels: searched.channels,
  layers: searched.layers,
});

/** The same of FairDARTS. */
export const fairSupernet = buildSupernet({
  space: 'fairdarts',
  inputShape: [searched.size, searched.size, 3],
  classes,
  initChannels: searched.channels,
  layers: searched.layers,
});

const firstSpace = resolveSpace('stacnas');
/** Won by turns, so that a stage has all groups. */
const wonBy = (from: number) =>
  firstSpace.edges.normal.map(({ candidates }, row) => candidates[(row + from) % (candidates.length - 1)].name);
const stageSpaces: Readonly<Record<keyof typeof stages, SearchSpace>> = {
  stacnas_search1: spaces['stacnas'],
  stacnas_search2: memberSpace(firstSpace, { normal: wonBy(0), reduce: wonBy(1) }, true),
};

/** The supernet of a stage of StacNAS. */
export function stageSupernet(golden: keyof typeof stages): Supernet {
  const { size, auxWeight } = stages[golden];
  return buildSupernet({
    space: stageSpaces[golden],
    inputShape: [size, size, 3],
    classes,
    initChannels: searched.channels,
    layers: searched.layers,
    auxiliaryWeight: auxWeight > 0 ? auxWeight : undefined,
  });
}

/** The settings of a FairDARTS golden. */
export function fairSettings(golden: keyof typeof fairForms): FairdartsSettings {
  const { momentum, weightDecay } = rates;
  const { settings } = fairdartsPresets.paper;
  return { ...settings, ...arch, ...fairRates, momentum, weightDecay, gradClip, ...fairForms[golden] };
}

/** A network of NAS-Bench-201. */
export function nasbench201Network(golden: keyof typeof nasbench201): Network {
  const { channels: initChannels, layers, size, structure } = nasbench201[golden];
  const sizes = { inputShape: [size, size, 3] as const, classes, initChannels, layers };
  if (structure === undefined) return buildSupernet({ ...sizes, space: 'nasbench201' });
  return buildDerivedNetwork({ ...sizes, genotype: parseGenotype(structure) });
}

/** Derived networks by golden: one for training, and the same without what only training needs. */
export const derivedNetworks: Readonly<Record<string, { trained: Network; plain: Network }>> = {
  derived_darts_v2: derivedNetwork(genotypes.DARTS_V2, training),
  derived_other_operations: derivedNetwork(otherOperations, { labelSmoothing: training.labelSmoothing }),
  derived_triples: derivedNetwork(triples, training),
  derived_weighted: derivedNetwork(weighted, { labelSmoothing: training.labelSmoothing }),
  derived_normalised_pooling: derivedNetwork(weighted, training, { normalisePooling: true }),
};

function derivedNetwork(
  genotype: Genotype,
  forTraining: object,
  form: object = {},
): { trained: Network; plain: Network } {
  const { channels: initChannels, layers, size } = derived;
  const options = { genotype, inputShape: [size, size, 3] as const, classes, initChannels, layers, ...form };
  return { trained: buildDerivedNetwork({ ...options, ...forTraining }), plain: buildDerivedNetwork(options) };
}

/** Tests of every golden on a backend, of the CPU with one of its instruction sets. */
export function describeGoldens(backend: BackendName, instructionSet?: string): void {
  describe(`PyTorch's goldens on ${instructionSet ?? backend}`, () => {
    let device: Device;
    beforeAll(async () => {
      device = await openDevice({ backend, threads: 2, instructionSet });
    });
    afterAll(() => device?.dispose());

    it('a pass of the supernet and its hypergradient', async () => {
      using parameters = await startOf(device, supernet);
      await parameters.store.write('momentum', 0, drawArenas(parameters.map).momentum);
      using program = device.compile(supernet.graph, { batchSize, parameters });
      const [train, validation] = ['train', 'validation'].map((name) => drawBatch(name, searched.size));
      const pass = await program.gradients({ batch: train, target: 'both', read: [supernet.logits] });
      const ours: Tensors = new Map([
        ['logits', logits(pass.outputs!.get(supernet.logits)!)],
        ['loss', scalar(pass.loss!)],
        ...(await gradientsAndBuffers(parameters)),
      ]);
      const unrolled = await program.hypergradient({ train, validation, ...rates });
      ours.set('unrolledLoss', scalar(unrolled.loss!));
      for (const name of parameters.names('alpha')) {
        ours.set(`hypergradient.${name}`, toTorch(await parameters.gradient(name), 'plain'));
      }
      expectGolden('supernet', ours);
    });

    it.each([
      ['first', false],
      ['second', true],
    ])('five steps of a search of %s order', async (order, unrolled) => {
      using parameters = await startOf(device, supernet);
      using program = device.compile(supernet.graph, { batchSize, parameters });
      const ours = await search(device, program, unrolled);
      for (const [name, { spec }] of parameters.map.places) {
        const values = toTorch(await parameters.get(name), spec.layout);
        if (spec.role === 'alpha') ours.set(`alpha.${name}`, values);
        else if (spec.role === 'weight' || !unrolled) ours.set(`${spec.role}.${name}`, digest(values));
      }
      expectGolden(`search_${order}_order`, ours);
    });

    it.each(Object.keys(fairForms) as (keyof typeof fairForms)[])('five steps of %s', async (golden) => {
      using parameters = await startOf(device, fairSupernet);
      using program = device.compile(fairSupernet.graph, { batchSize, parameters });
      const settings = fairSettings(golden);
      const ours = await fairSearch(device, program, settings);
      for (const [name, { spec }] of parameters.map.places) {
        const values = toTorch(await parameters.get(name), spec.layout);
        if (spec.role === 'alpha') ours.set(`alpha.${name}`, values);
        else if (!settings.singleLevel) ours.set(`${spec.role}.${name}`, digest(values));
      }
      expectGolden(golden, ours);
    });

    it.each(Object.keys(stages) as (keyof typeof stages)[])('five steps of %s', async (golden) => {
      const stage = stageSupernet(golden);
      using parameters = await startOf(device, stage);
      using program = device.compile(stage.graph, { batchSize, parameters });
      const pass = await program.gradients({
        batch: drawBatch('train 0', stages[golden].size),
        target: 'both',
        read: [stage.logits],
      });
      const gradients = [...(await gradientsAndBuffers(parameters))].filter(([name]) => name.startsWith('gradient.'));
      const ours: Tensors = new Map([['logits', logits(pass.outputs!.get(stage.logits)!)], ...gradients]);
      // The pass has moved the running statistics.
      await parameters.store.write('buffers', 0, drawArenas(parameters.map).buffers);
      for (const [name, values] of await stageSearch(device, program, golden)) ours.set(name, values);
      for (const [name, { spec }] of parameters.map.places) {
        const values = toTorch(await parameters.get(name), spec.layout);
        ours.set(`${spec.role}.${name}`, spec.role === 'alpha' ? values : digest(values));
      }
      expectGolden(golden, ours);
    });

    it.each(Object.entries(derivedNetworks))('a derived network: %s', async (golden, { trained, plain }) => {
      using parameters = await startOf(device, trained);
      using tester = device.compile(plain.graph, { batchSize, parameters });
      using trainer = device.compile(trained.graph, { batchSize, parameters });
      const batch = drawBatch('train', derived.size);
      expectGolden(golden, await testedAndTrained(parameters, [tester, plain], [trainer, trained], batch));
    });

    it.each(Object.keys(nasbench201) as (keyof typeof nasbench201)[])('a network of %s', async (golden) => {
      const network = nasbench201Network(golden);
      using parameters = await startOf(device, network);
      using program = device.compile(network.graph, { batchSize, parameters });
      const both = [program, network] as const;
      const batch = drawBatch('train', nasbench201[golden].size);
      expectGolden(golden, await testedAndTrained(parameters, both, both, batch));
    });
  });
}

type Compiled = readonly [program: Program, network: Network];

/** What a network gives with running statistics, and then a training pass of its other form. */
async function testedAndTrained(
  parameters: Parameters,
  [tester, plain]: Compiled,
  [trainer, trained]: Compiled,
  batch: ReturnType<typeof drawBatch>,
): Promise<Tensors> {
  const tested = await tester.evaluate({ batch, statistics: 'running', read: [plain.logits] });
  const pass = await trainer.gradients({ batch, target: 'both', read: [trained.logits] });
  return new Map([
    ['testLogits', logits(tested.outputs!.get(plain.logits)!)],
    ['logits', logits(pass.outputs!.get(trained.logits)!)],
    ['loss', scalar(pass.loss!)],
    ...(await gradientsAndBuffers(parameters)),
  ]);
}

/** Parameters as PyTorch's side begins with them. */
export async function startOf(device: Device, { graph }: Network): Promise<Parameters> {
  const parameters = await device.createParameters(graph, { seed: 0 });
  const { weights, buffers, alpha } = drawArenas(parameters.map);
  await parameters.store.write('weights', 0, weights);
  await parameters.store.write('buffers', 0, buffers);
  if (alpha.length > 0) await parameters.store.write('alpha', 0, alpha);
  return parameters;
}

/** Steps on images that the device gathers, as a search takes them: what each reported. */
async function search(device: Device, program: Program, unrolled: boolean): Promise<Tensors> {
  const { momentum, weightDecay, learningRate } = rates;
  const settings = resolveSettings('paper', { ...arch, momentum, weightDecay, gradClip, unrolled });
  const figures = { loss: [] as number[], validationLoss: [] as number[], gradientNorm: [] as number[] };
  for (let step = 0; step < searchSteps; step++) {
    const [train, validation] = [await gathered(device, `train ${step}`), await gathered(device, `validation ${step}`)];
    const commands = dartsStep({ program, train, validation, settings, learningRate, update: step });
    const outcome = dartsStepOutcome(await device.execute(commands));
    for (const name of ['loss', 'validationLoss', 'gradientNorm'] as const) figures[name].push(outcome[name]);
    for (const { dataset } of [train, validation]) dataset.dispose();
  }
  return new Map(
    Object.entries(figures).map(([name, values]) => [name, { shape: [searchSteps], data: Float64Array.from(values) }]),
  );
}

/** Steps of FairDARTS on such images: what each reported, and alpha's gradient in the first. */
async function fairSearch(device: Device, program: Program, settings: FairdartsSettings): Promise<Tensors> {
  const { parameters } = program;
  const figures: Record<string, number[]> = { loss: [], validationLoss: [], zeroOneLoss: [], gradientNorm: [] };
  const tensors: Tensors = new Map();
  const parts = fairdartsParts(settings);
  for (let update = 0; update < searchSteps; update++) {
    const [train, validation] = [
      await gathered(device, `train ${update}`),
      await gathered(device, `validation ${update}`),
    ];
    const batches = { train, validation: settings.singleLevel ? train : validation, trainForAlpha: train };
    const { learningRate } = rates;
    const step = { program, validationProgram: program, ...batches, settings, learningRate, update };
    const [alpha, weights] = [parts.alpha(step), parts.weights!(step)];
    const outcomes = await device.execute([...alpha, ...weights]);
    const outcome = parts.outcome!(outcomes.slice(0, alpha.length), outcomes.slice(alpha.length));
    const { loss, gradientNorm, measures } = outcome;
    for (const [name, value] of Object.entries({ loss, gradientNorm, ...measures })) figures[name].push(value);
    for (const { dataset } of [train, validation]) dataset.dispose();
    if (update > 0) continue;
    for (const name of parameters.names('alpha')) {
      tensors.set(`gradient.${name}`, toTorch(await parameters.gradient(name), 'plain'));
    }
  }
  for (const [name, values] of Object.entries(figures)) {
    tensors.set(name, { shape: [searchSteps], data: Float64Array.from(values) });
  }
  return tensors;
}

/** Steps of a stage of StacNAS: what each reported. */
async function stageSearch(device: Device, program: Program, golden: keyof typeof stages): Promise<Tensors> {
  const { size } = stages[golden];
  const { momentum, weightDecay, learningRate } = rates;
  const settings = {
    ...{ ...stacnasPresets.paper.settings, ...arch, momentum, weightDecay, gradClip: stageClip },
    ...{ trainPortion: 1, cutout: false, cutoutLength: 0 },
  };
  const figures = { loss: [] as number[], gradientNorm: [] as number[] };
  for (let update = 0; update < searchSteps; update++) {
    const train = await gathered(device, `train ${update}`, size);
    const batches = { train, validation: train, trainForAlpha: train };
    const step = { program, validationProgram: program, ...batches, settings, learningRate, update };
    const { loss, gradientNorm } = weightStepOutcome(await device.execute(oneLevelStep(step)));
    figures.loss.push(loss);
    figures.gradientNorm.push(gradientNorm);
    train.dataset.dispose();
  }
  return new Map(
    Object.entries(figures).map(([name, values]) => [name, { shape: [searchSteps], data: Float64Array.from(values) }]),
  );
}

/** The whole of a dataset of one batch. */
export async function gathered(device: Device, name: string, size: number = searched.size) {
  const shape = [size, size, 3] as const;
  const stream = { seed: 0, purpose: 'trainAugmentation', epoch: 0, step: 0 } as const;
  return {
    dataset: await device.createDataset({ ...drawBytes(name, size), shape }),
    indices: Uint32Array.from({ length: batchSize }, (_, index) => index),
    augmentation: { mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5], pad: 0, flip: false, cutout: 0, stream },
  };
}

export async function gradientsAndBuffers(parameters: Parameters): Promise<Tensors> {
  const tensors: Tensors = new Map();
  for (const [name, { spec }] of parameters.map.places) {
    if (spec.role === 'buffer') tensors.set(`buffer.${name}`, digest(toTorch(await parameters.get(name), spec.layout)));
    else tensors.set(`gradient.${name}`, digest(toTorch(await parameters.gradient(name), spec.layout)));
  }
  return tensors;
}

/** The same names as PyTorch's, and no value further from its float64 than float32 must be. */
export function expectGolden(name: string, ours: Tensors): void {
  const golden = readGolden(name);
  expect([...ours.keys()].sort()).toEqual([...golden.exact.keys()].sort());
  for (const [group, distance] of distances(golden, ours)) {
    // The yardstick is PyTorch's own float32, the same rounding in another order, at its worst: with as few as two elements a
    // tensor the luck of one says nothing, and less than float32's spacing is luck. Ten times it is still far below what a wrong
    // term would make.
    expect(distance, group).toBeLessThan(10 * Math.max(golden.float32.get(group)!, 2 ** -23));
  }
}

/** Of a batch. */
export function logits(data: Float32Array | Float64Array): TorchTensor {
  return { shape: [batchSize, classes], data: Float64Array.from(data) };
}

/** A loss. */
export function scalar(value: number): TorchTensor {
  return { shape: [], data: Float64Array.of(value) };
}
