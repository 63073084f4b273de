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
import type { Augmentation, Batch, DirectBatch, DropoutDraw, GatheredBatch, HiddenStates, Program } from './device.ts';
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
  if (batch['dropout'] !== undefined) {
    checkDropout(`${name}.dropout`, batch['dropout']);
    checkMasks(`${name}.dropout.masks`, given.dropout?.masks, program);
  }
  if (batch['dropout'] === undefined && endsOf(program.graph).draws)
    throw unexpected(`${name}.dropout`, 'what the noise of the graph draws from', 'nothing');
}

/** Throws ArgumentError unless a value names what dropout draws from. */
export function checkDropout(name: string, value: unknown): void {
  checkOptions(name, value, ['seed', 'epoch', 'step', 'pathFactor', 'noiseScale', 'drops', 'masks']);
  const draw = value as DropoutDraw;
  checkCounters(name, draw);
  checkOptional(`${name}.pathFactor`, draw.pathFactor, share);
  checkOptional(`${name}.noiseScale`, draw.noiseScale, finite);
  checkOptional(`${name}.drops`, draw.drops, aBoolean);
}

/** Throws ArgumentError unless given masks are some of a program's graph. */
export function checkMasks(name: string, given: DropoutDraw['masks'], { graph, batchSize }: Program): void {
  if (given === undefined) return;
  const { masks } = endsOf(graph);
  checkOptions(
    name,
    given,
    masks.map((mask) => mask.name),
  );
  for (const { name: mask, elements } of masks) {
    checkOptional(`${name}.${mask}`, given[mask], typedArray('Float32Array', elements(batchSize), 'elements'));
  }
}

const word = anInteger(0, 2 ** 32 - 1);
const share = aNumber(0, 1);

function checkCounters(name: string, { seed, epoch, step }: Pick<DropoutDraw, 'seed' | 'epoch' | 'step'>): void {
  check(`${name}.seed`, seed, aSeed);
  check(`${name}.epoch`, epoch, word);
  check(`${name}.step`, step, word);
}

function checkDirect(name: string, batch: DirectBatch, program: Program): void {
  checkOptions(name, batch, ['inputs', 'labels', 'dropout', 'hidden']);
  const { inputs: nodes, classes } = endsOf(program.graph);
  const { inputs, labels, hidden } = batch;
  if (hidden !== undefined) checkHidden(`${name}.hidden`, hidden, program);
  const samples = samplesOf(`${name}.inputs`, inputs, program);
  checkInputs(`${name}.inputs`, inputs, nodes, samples);
  for (const { name: input } of nodes) {
    if (inputs[input] === undefined) throw invalid(`${name}.inputs.${input}`, 'a Float32Array', undefined);
  }
  if (classes === undefined) {
    // Nobody reads them.
    if (labels === undefined || isTypedArray('Int32Array', labels)) return;
    throw invalid(`${name}.labels`, 'an Int32Array', labels);
  }
  check(`${name}.labels`, labels, typedArray('Int32Array', samples, 'labels'));
  const wrong = labels?.find((label) => label < 0 || label >= classes);
  if (wrong !== undefined) throw invalid(`${name}.labels`, `labels below ${classes}`, wrong);
}

/** How many samples a batch has: of a sequence, as its first input tells. Throws ArgumentError for none or too many times. */
export function samplesOf(name: string, inputs: DirectBatch['inputs'], program: Program): number {
  const { graph, batchSize, length } = program;
  if (length === undefined) return batchSize;
  const [first] = endsOf(graph).inputs;
  const values: unknown = isRecord(inputs) ? inputs[first?.name] : undefined;
  if (!ArrayBuffer.isView(values)) return batchSize * length;
  const samples = (values as Float32Array).length / elementsOf(first.shape);
  const times = samples / batchSize;
  if (Number.isInteger(times) && times >= 1 && times <= length) return samples;
  throw invalid(`${name}.${first.name}`, `1 to ${length} times of ${batchSize} columns`, values);
}

function checkHidden(name: string, value: unknown, { graph, batchSize, parameters: { map } }: Program): void {
  checkOptions(name, value, ['from', 'to']);
  const cell = graph.nodes.find(({ op }) => op === 'recurrentCell');
  if (cell === undefined) throw unexpected(name, 'nothing: the graph has no recurrent cell', 'states');
  const shape = [batchSize, ...cell.shape];
  for (const [field, state] of Object.entries(value as HiddenStates)) {
    const spec = map.places.get(state as string)?.spec;
    if (state === undefined || (spec?.role === 'state' && String(spec.shape) === String(shape))) continue;
    throw invalid(`${name}.${field}`, `the name of a state of [${shape}]`, state);
  }
}

/** Those that are given. */
function checkInputs(name: string, inputs: DirectBatch['inputs'], nodes: readonly InputNode[], samples: number): void {
  checkOptions(
    name,
    inputs,
    nodes.map((node) => node.name),
  );
  for (const { name: input, shape, below } of nodes) {
    const words = `elements [${[samples, ...shape]}]`;
    const type = below === undefined ? 'Float32Array' : 'Int32Array';
    checkOptional(`${name}.${input}`, inputs[input], typedArray(type, elementsOf(shape, samples), words));
    const wrong = below !== undefined && inputs[input]?.find((value) => value < 0 || value >= below);
    if (typeof wrong === 'number') throw invalid(`${name}.${input}`, `integers from 0 and below ${below}`, wrong);
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
