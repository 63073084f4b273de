// What batches may hold, of a program that is known.
import {
  aBoolean,
  aNumber,
  anInteger,
  aSeed,
  check,
  checkOptional,
  checkOptions,
  finite,
  isRecord,
  isTypedArray,
  listOfLength,
  oneOf,
  positive,
  typedArray,
} from '../checks.ts';
import { invalid, unexpected } from '../errors.ts';
import type { InputNode } from '../graph/graph.ts';
import { elementsOf } from '../graph/shape.ts';
import { purposes } from '../random/philox.ts';
import type { Belongings } from './belongings.ts';
import type { HeldDataset } from './dataset.ts';
import type { Augmentation, Batch, DirectBatch, DropoutDraw, GatheredBatch, Program } from './device.ts';
import { endsOf, inputsLeft } from './graph_ends.ts';

/** Whether a batch is gathered from a dataset. */
export function isGathered(batch: Batch): batch is GatheredBatch {
  return 'dataset' in batch && batch.dataset !== undefined;
}

/** Throws ArgumentError unless a batch has all that a program takes and nothing else. `name` is what the user calls the batch. */
export function checkBatch(name: string, batch: unknown, program: Program, owner: Belongings): void {
  if (!isRecord(batch)) throw invalid(name, 'a batch: inputs and labels, or a dataset and indices', batch);
  const given = batch as unknown as Batch;
  if (isGathered(given)) checkGathered(name, given, program, owner);
  else checkDirect(name, given, program);
  if (batch['dropout'] !== undefined) checkDropout(`${name}.dropout`, batch['dropout']);
  else if (endsOf(program.graph).draws)
    throw unexpected(`${name}.dropout`, 'what the noise of the graph draws from', 'nothing');
}

/** Throws ArgumentError unless a value names what dropout draws from. */
export function checkDropout(name: string, value: unknown): void {
  checkOptions(name, value, ['seed', 'epoch', 'step', 'pathFactor', 'noiseScale', 'drops']);
  const draw = value as DropoutDraw;
  checkCounters(name, draw);
  checkOptional(`${name}.pathFactor`, draw.pathFactor, share);
  checkOptional(`${name}.noiseScale`, draw.noiseScale, finite);
  checkOptional(`${name}.drops`, draw.drops, aBoolean);
}

const word = anInteger(0, 2 ** 32 - 1);
const share = aNumber(0, 1);

function checkCounters(name: string, { seed, epoch, step }: Pick<DropoutDraw, 'seed' | 'epoch' | 'step'>): void {
  check(`${name}.seed`, seed, aSeed);
  check(`${name}.epoch`, epoch, word);
  check(`${name}.step`, step, word);
}

function checkDirect(name: string, batch: DirectBatch, { graph, batchSize }: Program): void {
  checkOptions(name, batch, ['inputs', 'labels', 'dropout']);
  const { inputs: nodes, classes } = endsOf(graph);
  const { inputs, labels } = batch;
  checkInputs(`${name}.inputs`, inputs, nodes, batchSize);
  for (const { name: input } of nodes) {
    if (inputs[input] === undefined) throw invalid(`${name}.inputs.${input}`, 'a Float32Array', undefined);
  }
  if (classes === undefined) {
    // Nobody reads them.
    if (labels === undefined || isTypedArray('Int32Array', labels)) return;
    throw invalid(`${name}.labels`, 'an Int32Array', labels);
  }
  check(`${name}.labels`, labels, typedArray('Int32Array', batchSize, 'labels'));
  const wrong = labels?.find((label) => label < 0 || label >= classes);
  if (wrong !== undefined) throw invalid(`${name}.labels`, `labels below ${classes}`, wrong);
}

/** Those that are given. */
function checkInputs(
  name: string,
  inputs: Readonly<Record<string, Float32Array>>,
  nodes: readonly InputNode[],
  batchSize: number,
): void {
  checkOptions(
    name,
    inputs,
    nodes.map((node) => node.name),
  );
  for (const { name: input, shape } of nodes) {
    const words = `elements [${[batchSize, ...shape]}]`;
    const rule = typedArray('Float32Array', elementsOf(shape, batchSize), words);
    checkOptional(`${name}.${input}`, inputs[input], rule);
  }
}

function checkGathered(name: string, batch: GatheredBatch, program: Program, owner: Belongings): void {
  checkOptions(name, batch, ['dataset', 'indices', 'augmentation', 'inputs', 'dropout']);
  owner.check('dataset', `${name}.dataset`, batch.dataset);
  const { indices, augmentation } = batch;
  const dataset = batch.dataset as HeldDataset;
  const { inputs = {} } = batch;
  checkInputs(`${name}.inputs`, inputs, endsOf(program.graph).inputs, program.batchSize);
  checkFit(`${name}.dataset`, dataset, program, inputs);
  check(`${name}.indices`, indices, typedArray('Uint32Array', program.batchSize, 'positions'));
  const wrong = indices.find((index) => index >= dataset.count);
  if (wrong !== undefined) throw invalid(`${name}.indices`, `positions below ${dataset.count}`, wrong);
  checkAugmentation(`${name}.augmentation`, augmentation, dataset.shape[2]);
}

/** Whether a dataset's images and labels are those that a program's graph takes. */
function checkFit(
  name: string,
  { shape, classes }: HeldDataset,
  { graph }: Program,
  given: Readonly<Record<string, Float32Array>>,
): void {
  const ends = endsOf(graph);
  const left = inputsLeft(graph, given);
  if (left.length !== 1) {
    const told = Object.keys(given).length > 0 ? ` that are not given` : '';
    throw unexpected(name, `no dataset: the graph has ${left.length} inputs${told}`, 'one');
  }
  const [input]: readonly InputNode[] = left;
  if (input.shape.length !== 3 || input.shape.some((size, axis) => size !== shape[axis])) {
    throw unexpected(name, `images of [${input.shape}], as the graph has,`, `some of [${shape}]`);
  }
  if (ends.classes !== undefined && classes > ends.classes) {
    throw unexpected(name, `labels below ${ends.classes}, as the graph has classes,`, `label ${classes - 1}`);
  }
}

const augmentationFields = ['mean', 'deviation', 'pad', 'flip', 'cutout', 'cutoutProbability', 'stream', 'share'];
const streamFields = ['seed', 'purpose', 'epoch', 'step', 'part'];
const purpose = oneOf(Object.keys(purposes));
/** As the engine has it. */
const pad = anInteger(0, 4096);
const cutout = anInteger(0, 2 ** 31 - 1);
const part = anInteger(0, 2 ** 24 - 1);

function checkAugmentation(name: string, value: Augmentation, channels: number): void {
  checkOptions(name, value, augmentationFields);
  check(`${name}.mean`, value.mean, listOfLength(channels, finite, `${channels} numbers`));
  check(`${name}.deviation`, value.deviation, listOfLength(channels, positive, `${channels} positive numbers`));
  check(`${name}.pad`, value.pad, pad);
  check(`${name}.flip`, value.flip, aBoolean);
  check(`${name}.cutout`, value.cutout, cutout);
  checkOptional(`${name}.cutoutProbability`, value.cutoutProbability, share);
  checkOptional(`${name}.share`, value.share, share);
  const { stream } = value;
  if (stream === undefined) return;
  checkOptions(`${name}.stream`, stream, streamFields);
  checkCounters(`${name}.stream`, stream);
  check(`${name}.stream.purpose`, stream.purpose, purpose);
  checkOptional(`${name}.stream.part`, stream.part, part);
}
