// How parameters lie in a safetensors file: published names, PyTorch layout, optimiser state under a prefix of its own.
import { FileError } from '../errors.ts';
import type { ParameterSpec } from '../graph/graph.ts';
import { fromTorchSteps, torchShape, toTorchSteps } from '../io/layout.ts';
import type { TensorData, WeightTensor } from '../io/safetensors.ts';
import { atOnce, type Steps } from '../slices.ts';
import type { Arena, ParameterMap, ParameterPlace } from './parameter_map.ts';

interface Section {
  readonly prefix: string;
  readonly arena: Arena;
  readonly role: ParameterSpec['role'];
}

const valueSections: readonly Section[] = [
  { prefix: '', arena: 'weights', role: 'weight' },
  { prefix: '', arena: 'buffers', role: 'buffer' },
  { prefix: '', arena: 'alpha', role: 'alpha' },
];

const optimizerPrefix = 'optimizer.';

const optimizerSections: readonly Section[] = [
  { prefix: `${optimizerPrefix}momentum.`, arena: 'momentum', role: 'weight' },
  { prefix: `${optimizerPrefix}variance.`, arena: 'variance', role: 'weight' },
  { prefix: `${optimizerPrefix}alpha_mean.`, arena: 'alphaMean', role: 'alpha' },
  { prefix: `${optimizerPrefix}alpha_variance.`, arena: 'alphaVariance', role: 'alpha' },
];

/** Hidden states: where a training goes on, nothing that belongs to the network. */
const stateSections: readonly Section[] = [{ prefix: 'state.', arena: 'states', role: 'state' }];

const gradientPrefix = 'gradient.';

const gradientSections: readonly Section[] = [
  { prefix: gradientPrefix, arena: 'weightGradients', role: 'weight' },
  { prefix: gradientPrefix, arena: 'alphaGradients', role: 'alpha' },
];

/** What a file holds of parameters beside their values. */
export interface KeptState {
  /** Momentum, Adam's moments and hidden states. */
  readonly optimizer: boolean;
  /** Gradients, where the next step does not begin with new ones; false when absent. */
  readonly gradients?: boolean;
}

interface Item {
  readonly name: string;
  readonly arena: Arena;
  readonly place: ParameterPlace;
}

/** The arenas that a file is made of. */
export function fileArenas(map: ParameterMap, kept: KeptState): Arena[] {
  return sections(map, kept).map(({ arena }) => arena);
}

/** The arenas of an optimiser's state, and their elements. */
export function optimizerArenas(map: ParameterMap): (readonly [Arena, number])[] {
  return ownOptimizer(map).map(({ arena, role }) => [arena, map.totals[role]] as const);
}

/** A file's tensors from the arenas of {@link fileArenas}, in the order of sections, then of the graph. */
export function* arenasToTensors(
  map: ParameterMap,
  arenas: ReadonlyMap<Arena, Float32Array>,
  kept: KeptState,
): Steps<Map<string, TensorData>> {
  const tensors = new Map<string, TensorData>();
  for (const { name, arena, place } of items(map, kept)) {
    const { spec, offset, size } = place;
    const values = arenas.get(arena)!.subarray(offset, offset + size);
    const shape = torchShape(spec.layout, spec.shape);
    tensors.set(name, { shape, data: yield* toTorchSteps(spec.layout, spec.shape, values) });
    yield;
  }
  return tensors;
}

/** Whole arenas from a file's tensors. Throws FileError for missing or unexpected names and wrong shapes, all in one line. */
export function tensorsToArenas(
  map: ParameterMap,
  tensors: ReadonlyMap<string, WeightTensor>,
  path: string,
): Map<Arena, Float32Array> {
  return atOnce(tensorsToArenasSteps(map, tensors, path));
}

/** {@link tensorsToArenas} as work that may rest. */
export function* tensorsToArenasSteps(
  map: ParameterMap,
  tensors: ReadonlyMap<string, WeightTensor>,
  path: string,
): Steps<Map<Arena, Float32Array>> {
  const expected = items(map, keptIn([...tensors.keys()]));
  yield* checkNames(expected, tensors.keys(), path);
  for (const [index, { name, place }] of expected.entries()) {
    if (index % stepNames === 0) yield;
    const { shape } = tensors.get(name)!;
    const wanted = torchShape(place.spec.layout, place.spec.shape);
    if (shape.length !== wanted.length || shape.some((length, axis) => length !== wanted[axis])) {
      throw new FileError(`${path} does not fit: expected shape [${wanted}] for ${name} but got [${shape}]`);
    }
  }
  const arenas = new Map<Arena, Float32Array>();
  for (const { name, arena, place } of expected) {
    const { spec, offset, size } = place;
    const { data } = tensors.get(name)!;
    const values = arenas.get(arena) ?? new Float32Array(map.totals[spec.role]);
    yield* fromTorchSteps(spec.layout, spec.shape, data, values.subarray(offset, offset + size));
    arenas.set(arena, values);
    yield;
  }
  return arenas;
}

/** Under which name averages of a network lie in a file beside it. */
export const averageName = 'average';

const averagePrefix = `${averageName}.`;

/** A file's own tensors, and the averages that it holds, without their prefix. */
export function splitAverages<T>(tensors: ReadonlyMap<string, T>): { own: Map<string, T>; average: Map<string, T> } {
  const [own, average] = [new Map<string, T>(), new Map<string, T>()];
  for (const [name, tensor] of tensors) {
    if (name.startsWith(averagePrefix)) average.set(name.slice(averagePrefix.length), tensor);
    else own.set(name, tensor);
  }
  return { own, average };
}

/** Whether names of a file include optimiser state. */
export function hasOptimizer(names: Iterable<string>): boolean {
  for (const name of names) if (name.startsWith(optimizerPrefix)) return true;
  return false;
}

function keptIn(names: readonly string[]): KeptState {
  return { optimizer: hasOptimizer(names), gradients: names.some((name) => name.startsWith(gradientPrefix)) };
}

function sections(map: ParameterMap, { optimizer, gradients = false }: KeptState): readonly Section[] {
  return [
    ...valueSections,
    ...(optimizer ? [...ownOptimizer(map), ...stateSections] : []),
    ...(gradients ? gradientSections : []),
  ];
}

function ownOptimizer({ secondMoments }: ParameterMap): readonly Section[] {
  return optimizerSections.filter(({ arena }) => arena !== 'variance' || secondMoments);
}

function items(map: ParameterMap, kept: KeptState): Item[] {
  return sections(map, kept).flatMap(({ prefix, arena, role }) =>
    [...map.places]
      .filter(([, place]) => place.spec.role === role)
      .map(([name, place]) => ({ name: prefix + name, arena, place })),
  );
}

/** Names that are compared in some 100 microseconds. */
const stepNames = 128;

function* checkNames(expected: readonly Item[], actual: Iterable<string>, path: string): Steps<void> {
  const unexpected = new Set(actual);
  const missing: string[] = [];
  for (const [index, { name }] of expected.entries()) {
    if (index % stepNames === 0) yield;
    if (!unexpected.delete(name)) missing.push(name);
  }
  // PyTorch counts batches in every batch-norm; nothing here uses it.
  const extra = [...unexpected].filter((name) => !name.endsWith('num_batches_tracked'));
  const complaints = [
    ...(missing.length > 0 ? [`missing ${list(missing)}`] : []),
    ...(extra.length > 0 ? [`unexpected ${list(extra)}`] : []),
  ];
  if (complaints.length > 0) throw new FileError(`${path} does not fit these parameters: ${complaints.join('; ')}`);
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 8).join(', ');
  return names.length > 8 ? `${shown} and ${names.length - 8} more` : shown;
}
