import type { Command, Device, DeviceDataset, GatheredBatch, Precision, Program } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import { genotypes } from '../../src/genotype/published.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { presets } from '../../src/methods/darts/settings.ts';
import { fairdartsPresets } from '../../src/methods/fairdarts/settings.ts';
import { fairdartsParts } from '../../src/methods/fairdarts/step.ts';
import { oneLevelStep } from '../../src/methods/one_level_step.ts';
import { memberSpace } from '../../src/methods/stacnas/groups.ts';
import { stacnasPresets } from '../../src/methods/stacnas/settings.ts';
import { buildDerivedNetwork } from '../../src/network/derived.ts';
import { buildSupernet } from '../../src/network/supernet.ts';
import { applyOperation, operations } from '../../src/operation/operations.ts';
import { uniform } from '../../src/random/philox.ts';
import { costOf } from '../../src/report/cost.ts';
import type { Network } from '../../src/skeleton/skeleton.ts';
import { resolveSpace, type SearchSpace } from '../../src/space/space.ts';
import { timed } from '../support/measure.ts';
import { peakMemory, resetPeakMemory } from '../support/memory.ts';
import { isLanguageWork, type LanguageWork, passes, type StepSizes, type Work } from '../support/work.ts';
import { jointArithmetic, openJointStep } from './joint.ts';
import { languageArithmetic, openLanguageStep } from './language.ts';

/** A step of ours; `precision` is `fp32` when absent. */
export interface StepOptions extends StepSizes {
  readonly work: Work;
  readonly precision?: Precision;
  /** The best when absent. */
  readonly instructionSet?: string;
  /** All there is when absent. */
  readonly memoryLimitBytes?: number;
}

/** Our side of the comparison. */
export interface OurStep {
  readonly device: Device;
  /** Absent where a step runs several. */
  readonly program?: Program;
  /** Takes one step and gives its seconds. */
  time(): Promise<number>;
  /** Resident memory in bytes at its largest in the first step, Node included. */
  peakBytes(): number;
  close(): void;
}

const shape = [32, 32, 3] as const;
const classes = 10;
const seed = 0;

/** Opens the CPU device with the step's network and random images. */
export async function openOurStep(options: StepOptions): Promise<OurStep> {
  const { batch, threads, instructionSet, memoryLimitBytes } = options;
  const device = await openDevice({ backend: 'cpu', threads, instructionSet, memoryLimitBytes });
  const { program, take } = await openTaker(device, options);
  const dataset = await device.createDataset(randomImages(2 * batch));
  let step = 0;
  let peak = 0;
  return {
    device,
    program,
    time: async () => {
      const first = step++ === 0;
      if (first) resetPeakMemory();
      const seconds = await timed(() => take(halvesOf(dataset, batch, step), step));
      if (first) peak = peakMemory();
      return seconds;
    },
    peakBytes: () => peak,
    close: () => device.dispose(),
  };
}

/** How a step is taken, of a number from 1. */
interface Taker {
  readonly program?: Program;
  take(halves: Halves, step: number): Promise<unknown>;
}

async function openTaker(device: Device, options: StepOptions): Promise<Taker> {
  const { work, batch, precision } = options;
  if (work === 'cdarts') return openJointStep(device, options);
  if (isLanguageWork(work)) {
    const { take } = await openLanguageStep(device, { ...options, work });
    return { take: (_, step) => take(step) };
  }
  const graph = networkOf(work, options);
  const parameters = await device.createParameters(graph, { seed });
  const program = device.compile(graph, { batchSize: batch, parameters, precision });
  return { program, take: (halves, step) => device.execute(commandsOf(work, program, halves, step)) };
}

/** The network that a step trains. */
export function networkOf(work: Exclude<Work, 'cdarts' | LanguageWork>, sizes: StepSizes): Graph {
  if (work === 'chain') return chain(sizes);
  if (work === 'evaluation') return evaluationNetwork(sizes, 0.4).graph;
  return supernet(spaceOf(work), sizes);
}

/** Multiply-accumulates of a step for each of its images. */
export function arithmeticOf(work: Work, sizes: StepSizes): number {
  if (work === 'cdarts') return jointArithmetic(sizes);
  if (isLanguageWork(work)) return languageArithmetic(work, sizes);
  return passes[work] * costOf(networkOf(work, sizes)).multiplyAccumulates;
}

function spaceOf(work: Work): string | SearchSpace {
  if (work === 'search1') return 'stacnas';
  if (work === 'search2') return foundSpace();
  if (work === 'score') return 's5';
  if (work === 'nasbench201') return 'nasbench201';
  return work === 'fairdarts' ? 'fairdarts' : 'darts';
}

/** As a first stage may find it: every group in turn. */
function foundSpace(): SearchSpace {
  const space = resolveSpace('stacnas');
  const names = (first: number) =>
    space.edges.normal.map(({ candidates }, row) => candidates[(row + first) % (candidates.length - 1)].name);
  return memberSpace(space, { normal: names(0), reduce: names(1) }, true);
}

function supernet(space: string | SearchSpace, { channels, layers }: StepSizes): Graph {
  return buildSupernet({ space, inputShape: shape, classes, initChannels: channels, layers }).graph;
}

/** The network of DARTS_V2, with an auxiliary head of that weight. */
export function evaluationNetwork(
  { channels, layers }: Pick<StepSizes, 'channels' | 'layers'>,
  auxiliaryWeight?: number,
): Network {
  const genotype = genotypes['DARTS_V2'];
  return buildDerivedNetwork({ genotype, inputShape: shape, classes, initChannels: channels, layers, auxiliaryWeight });
}

/** A convolution, then separable convolutions with affine batch norms one after another. */
function chain({ channels, layers }: StepSizes): Graph {
  const builder = new GraphBuilder();
  const images = builder.input('images', shape);
  let x = builder.conv2d('stem.0', images, { channels, kernel: 3, padding: 1 });
  x = builder.batchNorm('stem.1', x, { affine: true });
  const operation = { name: 'sep_conv_3x3', build: operations['sep_conv_3x3'] };
  for (let layer = 0; layer < layers; layer++) {
    const context = { layer: `${layer}`, channels, stride: 1, affine: true, normalisePooling: false } as const;
    x = applyOperation(operation, builder.within(`layers.${layer}`), x, context);
  }
  const logits = builder.linear('classifier', builder.globalAvgPool(x), classes);
  return builder.finish(builder.softmaxCrossEntropy(logits));
}

function randomImages(count: number) {
  const stream = { seed, purpose: 'split', epoch: 0, step: 0 } as const;
  const values = uniform(stream, count * shape[0] * shape[1] * shape[2]);
  return {
    images: Uint8Array.from(values, (value) => value * 256),
    labels: Int32Array.from({ length: count }, (_, index) => index % classes),
    shape,
  };
}

/** Both halves of the images, augmented as in a search. */
interface Halves {
  readonly train: GatheredBatch;
  readonly validation: GatheredBatch;
}

function halvesOf(dataset: DeviceDataset, batchSize: number, step: number): Halves {
  const batch = (offset: number, purpose: 'trainAugmentation' | 'validationAugmentation'): GatheredBatch => ({
    dataset,
    indices: Uint32Array.from({ length: batchSize }, (_, index) => offset + index),
    augmentation: {
      mean: [0.5, 0.5, 0.5],
      deviation: [0.25, 0.25, 0.25],
      pad: 4,
      flip: true,
      cutout: 0,
      stream: { seed, purpose, epoch: 0, step },
    },
  });
  return { train: batch(0, 'trainAugmentation'), validation: batch(batchSize, 'validationAugmentation') };
}

/** A weight step on the first half; of a search, after an alpha step on the second. */
function commandsOf(work: Work, program: Program, { train, validation }: Halves, step: number): Command[] {
  const { parameters } = program;
  const { learningRate, momentum, weightDecay, gradClip, archLearningRate, archWeightDecay } = presets.paper.settings;
  const weightStep: Command[] = [
    { kind: 'gradients', program, batch: train, target: 'weights' },
    { kind: 'sgd', parameters, learningRate, momentum, weightDecay, maxNorm: gradClip },
  ];
  if (work === 'chain' || work === 'evaluation') return weightStep;
  if (work === 'score') return [scorePass(program, validation)];
  if (work === 'fairdarts') return fairdartsStep(program, train, validation, step);
  if (work === 'search1' || work === 'search2') return stageStep(program, train, step);
  return [
    work !== 'second order'
      ? { kind: 'gradients', program, batch: validation, target: 'alpha' }
      : { kind: 'hypergradient', program, train, validation, learningRate, momentum, weightDecay },
    {
      kind: 'adam',
      parameters,
      learningRate: archLearningRate,
      betas: [0.5, 0.999],
      epsilon: 1e-8,
      weightDecay: archWeightDecay,
      step,
    },
    ...weightStep,
  ];
}

/** A batch of a score without the first candidate of the first row; alpha begins with weights that are about alike. */
function scorePass(program: Program, batch: GatheredBatch): Command {
  const { parameters, graph } = program;
  const [name] = parameters.names('alpha');
  const masked = Float32Array.from({ length: 7 }, (_, k) => (k === 0 ? 0 : 1 / 7));
  const rows = Array.from({ length: 14 }, (_, row) => (row === 0 ? masked : undefined));
  const read = [graph.nodes.findIndex(({ op }) => op === 'linear')];
  return { kind: 'evaluate', program, batch, statistics: 'moving', mixing: { [name]: rows }, read };
}

/** As the method takes it. */
function fairdartsStep(program: Program, train: GatheredBatch, validation: GatheredBatch, step: number): Command[] {
  const { settings } = fairdartsPresets.paper;
  const parts = fairdartsParts(settings);
  const batches = { train, validation, trainForAlpha: train };
  const { learningRate } = settings;
  const of = { program, validationProgram: program, ...batches, settings, learningRate, update: step - 1 };
  return [...parts.alpha(of), ...(parts.weights?.(of) ?? [])];
}

/** A step of either stage of StacNAS, as the method takes it. */
function stageStep(program: Program, train: GatheredBatch, step: number): Command[] {
  const settings = { ...stacnasPresets.paper.settings, trainPortion: 1, cutout: false, cutoutLength: 0 };
  const batches = { train, validation: train, trainForAlpha: train };
  const { learningRate } = settings;
  return oneLevelStep({ program, validationProgram: program, ...batches, settings, learningRate, update: step - 1 });
}
