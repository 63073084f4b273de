// Projected weights, selections by perturbation and SDARTS' disturbance on a backend against what PyTorch gave in float64.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TorchTensor } from '../../bench/peers/tensor_file.ts';
import type { BackendName, Command, Device, Outcome } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import { saveParameterSets } from '../../src/backend/parameter_sets.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { alphaUpdate } from '../../src/learn/alpha_step.ts';
import type { AlternatingParts, DisturbedStep, GivenRows } from '../../src/methods/alternating_parts.ts';
import { darts } from '../../src/methods/darts/darts.ts';
import { presets, type SearchSettings } from '../../src/methods/darts/settings.ts';
import {
  givenRows,
  type Mask,
  openRows,
  type Projected,
  type RowState,
  withRow,
} from '../../src/methods/projection/projected.ts';
import { ProjectionRun } from '../../src/methods/projection/run.ts';
import { projectionPresets } from '../../src/methods/projection/settings.ts';
import { disturb } from '../../src/methods/sdarts/disturb.ts';
import { type SdartsSettings, sdartsPresets } from '../../src/methods/sdarts/settings.ts';
import { openSupernet, type SupernetTraining } from '../../src/methods/supernet_training.ts';
import { buildSupernet, type Supernet } from '../../src/network/supernet.ts';
import { type RowsByTable, readAlpha } from '../../src/select/alpha.ts';
import { genotypeOf } from '../../src/select/strongest_edges.ts';
import type { SearchSpace } from '../../src/space/space.ts';
import { scratch } from '../helpers/scratch.ts';
import { toTorch } from './exchange.ts';
import { expectGolden, gathered, gradientsAndBuffers, logits, scalar, startOf } from './golden_cases.ts';
import {
  arch,
  batchSize,
  classes,
  digest,
  draw,
  drawArenas,
  drawBatch,
  drawBytes,
  gradClip,
  rates,
  readGolden,
} from './goldens.ts';

// The sizes and choices of test/torch/goldens/projection.py.
const size = 8;
const tunedSteps = 3;
const drawing = 'a';
const attackSteps = 7;
const scoredBatches = 6;
const decided: Readonly<Record<'s3' | 's5', Readonly<Record<string, readonly [number, RowState][]>>>> = {
  s3: {
    normal: [
      [3, 2],
      [6, 1],
      [9, 'dropped'],
      [12, 0],
    ],
    reduce: [
      [0, 2],
      [2, 1],
      [7, 'dropped'],
    ],
  },
  s5: {
    normal: [
      [3, 3],
      [6, 2],
      [9, 'dropped'],
      [12, 0],
    ],
    reduce: [
      [0, 5],
      [2, 1],
      [7, 'dropped'],
    ],
  },
};
const masks: readonly Mask[] = [
  { cell: 'normal', rows: [5], candidate: 1 },
  { cell: 'normal', rows: [3] },
];
const attacks = { s3: { epsilon: 0.3, selecting: true }, s5: { epsilon: 0.165, selecting: false } } as const;
const selected: SearchSpace = { name: 'two', nodes: 2, candidates: ['skip_connect', 'sep_conv_3x3'] };
const cells = ['normal', 'reduce'] as const;

type Tensors = Map<string, TorchTensor>;

function supernetOf(space: string | SearchSpace, layers = 4): Supernet {
  return buildSupernet({ space, inputShape: [size, size, 3], classes, initChannels: 2, layers });
}

/** The rows that are decided in the goldens of a space. */
function projectedIn(space: 's3' | 's5', supernet: Supernet): Projected {
  const rows = cells.flatMap((cell) => decided[space][cell].map(([row, state]) => [cell, row, state] as const));
  return rows.reduce((all, [cell, row, state]) => withRow(all, cell, row, state), openRows(supernet));
}

/** Tests of all goldens of selections on a backend, of the CPU with one of its instruction sets. */
export function describeProjectionGoldens(backend: BackendName, instructionSet?: string): void {
  describe(`PyTorch's goldens of selections and SDARTS on ${instructionSet ?? backend}`, () => {
    let device: Device;
    beforeAll(async () => {
      device = await openDevice({ backend, threads: 2, instructionSet });
    });
    afterAll(() => device?.dispose());

    it.each(['s3', 's5'] as const)('scores and fine-tuning with projected weights in %s', async (space) => {
      const supernet = supernetOf(space);
      const projected = projectedIn(space, supernet);
      using training = await openTraining(device, supernet, datasetOf([`train ${drawing}`, `validation ${drawing}`]), {
        alpha: ({ validationProgram: program, validation: batch, settings, update }) => [
          { kind: 'gradients', program, batch, target: 'alpha' },
          alphaUpdate(program.parameters, settings, update),
        ],
        select: genotypeOf,
      });
      const { parameters } = training;
      await writeStart(parameters);
      const ours: Tensors = new Map();
      const losses: number[] = [];
      using program = device.compile(supernet.graph, { batchSize, parameters });
      for (const [index, mask] of masks.entries()) {
        const mixing = givenRows(supernet, projected, (await readAlpha(supernet, parameters)).mixing, mask);
        const batch = drawBatch(`validation ${drawing}`, size);
        const [{ loss, outputs }] = await device.execute([
          { kind: 'evaluate', program, batch, statistics: 'moving', mixing, read: [supernet.logits] },
        ]);
        ours.set(`scoreLogits.${index}`, logits(outputs!.get(supernet.logits)!));
        losses.push(loss!);
      }
      ours.set('scoreLoss', vector(losses));
      for (const [name, values] of await gradientsAndBuffers(parameters)) {
        if (name.startsWith('buffer.')) ours.set(name.replace('buffer.', 'scored.'), values);
      }
      await expectStillStatistics(parameters, space);

      const figures: Record<'loss' | 'validationLoss' | 'gradientNorm', number[]> = {
        ...{ loss: [], validationLoss: [], gradientNorm: [] },
      };
      for (let step = 0; step < tunedSteps; step++) {
        const { mixing } = await readAlpha(supernet, parameters);
        const given = step === 0 ? undefined : givenRows(supernet, projected, mixing);
        const how = { learningRate: rates.learningRate, update: step, given };
        const { loss, gradientNorm, measures } = await training.step({ epoch: 0, step: 0 }, how);
        for (const [name, value] of Object.entries({ loss, gradientNorm, ...measures })) {
          figures[name as keyof typeof figures].push(value);
        }
        if (step !== 1) continue;
        for (const [name, values] of await gradientsAndBuffers(parameters)) {
          if (name.startsWith('gradient.') && !name.includes('alphas_')) ours.set(name, values);
        }
        for (const name of parameters.names('alpha')) {
          ours.set(`slope.${name}`, toTorch(await parameters.gradient(name), 'plain'));
        }
      }
      for (const [name, values] of Object.entries(figures)) ours.set(name, vector(values));
      for (const [name, { spec }] of parameters.map.places) {
        const values = toTorch(await parameters.get(name), spec.layout);
        ours.set(`${spec.role}.${name}`, spec.role === 'alpha' ? values : digest(values));
      }
      for (const cell of cells) expectZeros(ours.get(`slope.alphas_${cell}`)!, decided[space][cell]);
      expectGolden(`projected_${space}`, ours);
    });

    it.each(['s3', 's5'] as const)('an attack on the mixing weights of %s', async (space) => {
      const { epsilon, selecting } = attacks[space];
      const supernet = supernetOf(space);
      using parameters = await startOf(device, supernet);
      using program = device.compile(supernet.graph, { batchSize, parameters });
      const { mixing } = await readAlpha(supernet, parameters);
      const given = selecting ? givenRows(supernet, projectedIn(space, supernet), mixing) : {};
      // Moves the running statistics.
      await program.evaluate({ batch: drawBatch('validation', size), statistics: 'moving', mixing: given });
      const train = await gathered(device, 'train', size);
      const seen: { command: Command; outcome: Outcome; slopes: Tensors }[] = [];
      const recording = recordingDevice(device, async (command, outcome) => {
        seen.push({ command, outcome, slopes: await slopesOf(parameters) });
        return outcome;
      });
      const drawn = draw(`attack ${space}`, 2 * supernet.tables['normal'].rowLengths.reduce((a, b) => a + b));
      const step = disturbedStep({ device: recording, program, supernet, train, given });
      const final = await disturb(step, epsilon, (row, length) =>
        drawn.slice(row * length, (row + 1) * length).map((value) => (value + 1) / 2),
      );

      const ours: Tensors = new Map();
      const passes = seen.filter(({ command }) => command.kind === 'gradients');
      const scores = seen.filter(({ command }) => command.kind === 'evaluate');
      expect([passes.length, scores.length]).toEqual([attackSteps, 2]);
      // The last score is of what the last pass has led to.
      for (const [index, { command, slopes }] of [...passes, scores[1]].entries()) {
        for (const cell of cells) {
          ours.set(`moved.${index}.${cell}`, table((command as { mixing: GivenRows }).mixing[`alphas_${cell}`]));
          if (index < attackSteps) ours.set(`slope.${index}.${cell}`, slopes.get(`alphas_${cell}`)!);
        }
      }
      ours.set('losses', vector(scores.map(({ outcome }) => outcome.loss!)));
      for (const cell of cells) ours.set(`final.${cell}`, table((final as GivenRows)[`alphas_${cell}`]));
      const pass = await program.gradients({ batch: train, target: 'weights', mixing: final });
      ours.set('trainLoss', scalar(pass.loss!));
      for (const [name, values] of await gradientsAndBuffers(parameters)) {
        if (!name.includes('alphas_')) ours.set(name, values);
      }
      train.dataset.dispose();
      const golden = `sdarts_attack_${space}`;
      // A sign that float32 had otherwise would show in every digit.
      expect(readGolden(golden).float32.get('moved')).toBeLessThan(1e-5);
      expectGolden(golden, ours);
    });

    it('gives an attack up that made the loss smaller, and keeps one that left it', async () => {
      const supernet = supernetOf('s3');
      using parameters = await startOf(device, supernet);
      using program = device.compile(supernet.graph, { batchSize, parameters });
      const train = await gathered(device, 'train', size);
      const { mixing } = await readAlpha(supernet, parameters);
      const undisturbed = cells.map((cell) => table(mixing[`alphas_${cell}`]).data);
      const attacked = async (losses: readonly number[]) => {
        let next = 0;
        const telling = recordingDevice(device, async ({ kind }, outcome) =>
          kind === 'evaluate' ? { ...outcome, loss: losses[next++] } : outcome,
        );
        const final = await disturb(disturbedStep({ device: telling, program, supernet, train, given: {} }), 0.3);
        return cells.map((cell) => table((final as GivenRows)[`alphas_${cell}`]).data);
      };
      expect(await attacked([2, 1.9])).toEqual(undisturbed);
      expect(await attacked([2, 2])).not.toEqual(undisturbed);
      train.dataset.dispose();
    });

    it.each(['acc', 'loss'] as const)('all decisions of a selection by %s', async (projCrit) => {
      const supernet = supernetOf(selected, 3);
      const names = Array.from({ length: scoredBatches }, (_, index) => `scored ${index}`);
      const training = await openTraining(device, supernet, datasetOf(['train', ...names]), {
        ...{ validation: 'none', alpha: () => [], select: genotypeOf },
      });
      const { parameters } = training;
      await writeStart(parameters);
      const checkpoint = `${scratch()}/checkpoint.safetensors`;
      await saveParameterSets(checkpoint, { supernet: { parameters, optimizer: true } });
      const source = {
        ...{ directory: scratch(), method: darts, settings: {}, seed: 0, checkpoint, values: {} },
        at: { stage: 0, epoch: 0, updates: 0 },
      };
      // Weights that stay make scores that depend on nothing but what is decided.
      const settings = {
        ...projectionPresets.paper.settings,
        projCrit,
        projIntv: 1,
        plainScores: true,
        learningRate: 0,
      };
      using run = new ProjectionRun(training, { settings, seed: 0, source, by: 'projection', keepsInputs: false });
      const scores = await scoresOf(run);
      const ours: Tensors = new Map([
        ['scores', { shape: [scores.length, 2], data: Float64Array.from(scores.flat()) }],
      ]);
      const { projected } = run.state.values['standing'] as unknown as { projected: Projected };
      for (const cell of cells) {
        ours.set(`state.${cell}`, vector(projected[cell].map((state) => (typeof state === 'number' ? state : -1))));
      }
      expectGolden(`selection_${projCrit}`, ours);
    });
  });
}

/** All scores of a selection's run, in order. */
async function scoresOf(run: ProjectionRun): Promise<[accuracy: number, loss: number][]> {
  const scores: [number, number][] = [];
  for (let stage = 0; ; stage++) {
    const found = await run.stage(stage);
    if (found === undefined) return scores;
    let updates = 0;
    for (let epoch = 0; epoch < found.epochs; epoch++) {
      for (let step = 0; step < found.steps; step++) {
        const { measures } = await run.step({ stage, epoch, step, updates: updates++ });
        if ('scoreAccuracy' in measures) scores.push([measures['scoreAccuracy'], measures['scoreLoss']]);
      }
      await run.endEpoch({ stage, epoch, step: found.steps, updates });
    }
  }
}

/** Batches of the goldens one after another, as a dataset; the weights learn on the first. */
function datasetOf(names: readonly string[]): Dataset {
  const parts = names.map((name) => drawBytes(name, size));
  const shape = [size, size, 3] as const;
  const images = Uint8Array.from(parts.flatMap((part) => [...part.images]));
  const labels = Int32Array.from(parts.flatMap((part) => [...part.labels]));
  return {
    ...{ name: 'goldens', train: { images, labels, shape }, classes, classNames: [], notices: [] },
    ...{ mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5], augmentation: { pad: 0, flip: false } },
  };
}

function openTraining(
  device: Device,
  supernet: Supernet,
  dataset: Dataset,
  parts: AlternatingParts<SearchSettings>,
): Promise<SupernetTraining<SearchSettings>> {
  const positions = dataset.train.labels.map((_, position) => position);
  const { momentum, weightDecay } = rates;
  const own = { ...arch, archLrGamma: 0.5, momentum, weightDecay, gradClip, batchSize, cutout: false };
  return openSupernet(device, {
    ...{ supernet, plain: supernet, dataset, parts, seed: 0 },
    split: {
      train: Uint32Array.from(positions.slice(0, batchSize)),
      validation: Uint32Array.from(positions.slice(batchSize)),
    },
    augment: { randomResizedCrop: false, autoAugment: 'off', colorJitter: 0, hueJitter: 0 },
    settings: { ...presets.paper.settings, ...own },
  });
}

/** What PyTorch's side begins with, in parameters that lie there already. */
async function writeStart(parameters: Parameters): Promise<void> {
  const { weights, buffers, alpha } = drawArenas(parameters.map);
  for (const [arena, values] of Object.entries({ weights, buffers, alpha } as const)) {
    await parameters.store.write(arena as 'weights' | 'buffers' | 'alpha', 0, values);
  }
}

/** Running statistics of what no score ran are as they began. */
async function expectStillStatistics(parameters: Parameters, space: 's3' | 's5'): Promise<void> {
  const start = drawArenas(parameters.map).buffers;
  let still = 0;
  for (const [name, { spec, offset, size: count }] of parameters.map.places) {
    const [, layer, row, candidate] = /^cells\.(\d)\._ops\.(\d+)\._ops\.(\d)\./.exec(name)?.map(Number) ?? [];
    if (spec.role !== 'buffer' || layer === undefined) continue;
    // Of four cells those in the middle reduce.
    const cell = layer === 1 || layer === 2 ? 'reduce' : 'normal';
    const state = decided[space][cell].find(([place]) => place === row)?.[1] ?? 'open';
    if (state === 'open' || state === candidate) continue;
    still++;
    expect([...(await parameters.get(name)).data], name).toEqual([...start.subarray(offset, offset + count)]);
  }
  expect(still).toBeGreaterThan(0);
}

function expectZeros({ data, shape }: TorchTensor, rows: readonly (readonly [number, RowState])[]): void {
  const [, length] = shape;
  for (const [row] of rows) expect([...data.subarray(row * length, (row + 1) * length)]).toEqual(Array(length).fill(0));
}

/** A device for a disturbance: the outcome of every command is what `seen` makes of it. */
function recordingDevice(device: Device, seen: (command: Command, outcome: Outcome) => Promise<Outcome>): Device {
  const execute: Device['execute'] = async (commands) => {
    const outcomes = await device.execute(commands);
    return Promise.all(outcomes.map((outcome, i) => seen(commands[i], outcome)));
  };
  // All that it asks a device for.
  return { execute } as Device;
}

function disturbedStep({
  train,
  ...of
}: Pick<
  DisturbedStep<SdartsSettings>,
  'device' | 'program' | 'supernet' | 'train' | 'given'
>): DisturbedStep<SdartsSettings> {
  const settings = { ...sdartsPresets.paper.settings, perturbAlpha: 'pgd_linf' } as const;
  return {
    ...{ ...of, validationProgram: of.program, train, validation: train, trainForAlpha: train, settings },
    ...{ learningRate: rates.learningRate, update: 0, seed: 0, at: { epoch: 0, step: 0 } },
  };
}

async function slopesOf(parameters: Parameters): Promise<Tensors> {
  const names = parameters.names('alpha');
  return new Map(
    await Promise.all(names.map(async (name) => [name, toTorch(await parameters.gradient(name), 'plain')] as const)),
  );
}

/** Rows of one length. */
function table(rows: RowsByTable[string] | GivenRows[string]): TorchTensor {
  const values = rows.map((row) => [...row!]);
  return { shape: [rows.length, values[0].length], data: Float64Array.from(values.flat(), Math.fround) };
}

function vector(values: readonly number[]): TorchTensor {
  return { shape: [values.length], data: Float64Array.from(values) };
}
