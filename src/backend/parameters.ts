/// <reference lib="esnext.disposable" preserve="true" />

import {
  aBoolean,
  aName,
  anInteger,
  check,
  checkOptional,
  checkOptions,
  isRecord,
  listOf,
  oneOf,
  typedArray,
} from '../checks.ts';
import { invalid } from '../errors.ts';
import { type ParameterSpec, parameterRoles } from '../graph/graph.ts';
import { elementsOf } from '../graph/shape.ts';
import type { TensorData, WeightTensor } from '../io/safetensors.ts';
import { inSlices } from '../slices.ts';
import {
  arenasToTensors,
  averageName,
  fileArenas,
  type KeptState,
  optimizerArenas,
  tensorsToArenasSteps,
} from './parameter_file.ts';
import { type Arena, type ParameterMap, type ParameterPlace, valueArenas } from './parameter_map.ts';
import {
  type LoadedFile,
  openParameterFile,
  type ParameterSet,
  type ParameterSets,
  saveParameterSets,
} from './parameter_sets.ts';

/** How a backend stores arenas. Reads and writes queue behind the device's commands. */
export interface ParameterStore {
  /** All of an arena, or `length` elements from `offset`; at the cost of what is read. */
  read(arena: Arena, offset?: number, length?: number): Promise<Float32Array>;
  write(arena: Arena, offset: number, values: Float32Array): Promise<void>;
  dispose(): void;
}

/** A parameter's values with its native shape. */
export interface NamedTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Options of {@link Parameters.save}. */
export interface SaveOptions {
  /** Whether momentum and Adam's moments are written as well; false when absent. */
  readonly optimizer?: boolean;
  /** Averages of the same graph's parameters, written as well, under `average.`. */
  readonly averages?: Parameters;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The named parameters of a graph on a device: weights, batch-norm buffers, architecture parameters, optimiser state. */
export class Parameters implements Disposable {
  readonly map: ParameterMap;
  /** @internal */
  readonly store: ParameterStore;

  /** @internal */
  constructor(map: ParameterMap, store: ParameterStore) {
    this.map = map;
    this.store = store;
  }

  /** Names in the order of the graph. */
  names(role?: ParameterSpec['role']): string[] {
    checkOptional('role', role, oneOf(parameterRoles));
    return [...this.map.places.values()].filter(({ spec }) => !role || spec.role === role).map(({ spec }) => spec.name);
  }

  /** A parameter's values in native layout (convolutions HWIO). Throws ArgumentError for an unknown name. */
  async get(name: string): Promise<NamedTensor> {
    const { spec } = this.#place(name);
    return this.#read(name, valueArenas[spec.role]);
  }

  /** The gradient of the last pass that computed it. Throws ArgumentError for an unknown name or a buffer. */
  async gradient(name: string): Promise<NamedTensor> {
    const { spec } = this.#place(name);
    if (spec.role === 'buffer' || spec.role === 'state')
      throw invalid('name', 'a weight or an architecture parameter', name);
    return this.#read(name, spec.role === 'weight' ? 'weightGradients' : 'alphaGradients');
  }

  /** Replaces a parameter's values, in native layout. Throws ArgumentError for an unknown name or a wrong length. */
  async set(name: string, data: Float32Array): Promise<void> {
    const { spec, offset, size } = this.#place(name);
    check(name, data, typedArray('Float32Array', size));
    await this.store.write(valueArenas[spec.role], offset, data);
  }

  /**
   * Writes a safetensors file in PyTorch's layout (convolutions OIHW, linear [out, in]) under the published names; with
   * `optimizer` also momentum and Adam's moments under `optimizer.`, hidden states under `state.`. Replaces the file as a whole. Throws FileError.
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    check('path', path, aName);
    checkSaveOptions(options);
    const { averages, optimizer = false, metadata } = options;
    await saveParameterSets(path, withAverages({ parameters: this, optimizer }, averages), metadata);
  }

  /**
   * Replaces all values by those of a safetensors file in PyTorch's layout, and the optimiser state when the file holds
   * any. Throws FileError, and changes nothing, unless the file holds exactly these names (num_batches_tracked is
   * ignored) and shapes. Averages of the file go to `averages`, which then have to be there, or are left alone.
   */
  async load(path: string, options: { readonly averages?: Parameters } = {}): Promise<LoadedFile> {
    check('path', path, aName);
    checkOptions('options', options, ['averages']);
    const { averages } = options;
    checkAverages(averages);
    const { metadata, optimizer, into } = await openParameterFile(path);
    await into(withAverages({ parameters: this, optimizer }, averages));
    return { metadata, optimizer };
  }

  /**
   * Replaces all values by named tensors in PyTorch's layout, as {@link load} does by those of a file. `source` names them in
   * errors.
   */
  async assign(tensors: ReadonlyMap<string, WeightTensor>, source: string): Promise<void> {
    checkTensors(tensors);
    check('source', source, aName);
    await this.write(await inSlices(tensorsToArenasSteps(this.map, tensors, source)));
  }

  /** Momentum and Adam's moments are 0 again, as at first. */
  async clearOptimizer(): Promise<void> {
    await this.write(new Map(optimizerArenas(this.map).map(([arena, size]) => [arena, new Float32Array(size)])));
  }

  /** Frees the arenas; later calls reject with BackendError. */
  dispose(): void {
    this.store.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** As a file has them. @internal */
  async tensors(kept: KeptState): Promise<Map<string, TensorData>> {
    const names = fileArenas(this.map, kept);
    const values = await Promise.all(names.map((arena) => this.store.read(arena)));
    return inSlices(arenasToTensors(this.map, new Map(names.map((arena, i) => [arena, values[i]])), kept));
  }

  /** Whole arenas. @internal */
  async write(values: ReadonlyMap<Arena, Float32Array>): Promise<void> {
    await Promise.all([...values].map(([arena, data]) => this.store.write(arena, 0, data)));
  }

  #place(name: string): ParameterPlace {
    const place = this.map.places.get(name);
    if (place === undefined) throw invalid('name', 'one of parameters.names()', name);
    return place;
  }

  async #read(name: string, arena: Arena): Promise<NamedTensor> {
    const { spec, offset, size } = this.#place(name);
    return { shape: spec.shape, data: await this.store.read(arena, offset, size) };
  }
}

function withAverages(own: ParameterSet, averages: Parameters | undefined): ParameterSets {
  return { own, ...(averages && { [averageName]: { parameters: averages, optimizer: false } }) };
}

function checkSaveOptions(options: SaveOptions): void {
  checkOptions('options', options, ['optimizer', 'averages', 'metadata']);
  const { optimizer, averages, metadata } = options;
  checkOptional('optimizer', optimizer, aBoolean);
  checkAverages(averages);
  if (metadata === undefined) return;
  if (!isRecord(metadata)) throw invalid('metadata', 'an object of texts', metadata);
  for (const [key, text] of Object.entries(metadata)) {
    check(`metadata.${key}`, text, { words: 'a text', holds: (value) => typeof value === 'string' });
  }
}

function checkAverages(averages: unknown): void {
  if (averages === undefined || averages instanceof Parameters) return;
  throw invalid('averages', 'parameters of the same graph', averages);
}

/** What a file's reader promises of tensors, of those that came otherwise. */
function checkTensors(tensors: unknown): void {
  if (!(tensors instanceof Map)) throw invalid('tensors', 'a Map of tensors by name', tensors);
  for (const [name, tensor] of tensors as Map<unknown, unknown>) {
    if (typeof name !== 'string') throw invalid('tensors', 'names as keys', name);
    if (!isRecord(tensor)) throw invalid(`tensors.${name}`, 'a tensor with shape and data', tensor);
    const { shape, data } = tensor;
    check(`tensors.${name}.shape`, shape, listOf(anInteger(0), 'a list of sizes'));
    const size = elementsOf(shape as readonly number[]);
    if ((data instanceof Float32Array || data instanceof Float64Array) && data.length === size) continue;
    throw invalid(`tensors.${name}.data`, `a Float32Array or Float64Array of ${size} elements`, data);
  }
}
