// Several sets of parameters in one safetensors file: the first under the published names, each other under a name of its own.
import { readFile } from 'node:fs/promises';
import { writeFileAtomic } from '../io/atomic.ts';
import { fileError } from '../io/file_error.ts';
import { decodeSteps, encodeSteps, type TensorData, type WeightTensor } from '../io/safetensors.ts';
import { inSlices } from '../slices.ts';
import { averageName, hasOptimizer, type KeptState, tensorsToArenasSteps } from './parameter_file.ts';
import type { Arena, ParameterMap } from './parameter_map.ts';

/** What a file needs of {@link Parameters}. */
interface Stored {
  readonly map: ParameterMap;
  /** As a file has them. */
  tensors(kept: KeptState): Promise<Map<string, TensorData>>;
  /** Whole arenas. */
  write(values: ReadonlyMap<Arena, Float32Array>): Promise<void>;
}

/** Parameters, and what a file holds of them beside their values. */
export interface ParameterSet<Of = Stored> extends KeptState {
  readonly parameters: Of;
}

/** By name; the first one's own does not show in a file. */
export type ParameterSets<Of = Stored> = Readonly<Record<string, ParameterSet<Of>>>;

/** What was found in a file beside the values. */
export interface LoadedFile {
  readonly metadata: Readonly<Record<string, string>>;
  /** Whether the file held optimiser state. */
  readonly optimizer: boolean;
}

/** Replaces the file as a whole. Throws FileError. */
export async function saveParameterSets(
  path: string,
  sets: ParameterSets,
  metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  // All are read at once: commands that come later must not show in a part of them.
  const read = await Promise.all(Object.values(sets).map(({ parameters, ...kept }) => parameters.tensors(kept)));
  const prefixes = prefixesOf(sets);
  const tensors = new Map(
    read.flatMap((tensors, i) => [...tensors].map(([name, tensor]) => [prefixes[i] + name, tensor] as const)),
  );
  await writeFileAtomic(path, await inSlices(encodeSteps(tensors, metadata)));
}

/** A file that is read, before anybody knows which sets it is for: its metadata may have to tell. */
export interface ParameterFile extends LoadedFile {
  /**
   * Replaces the values of every set, and optimiser state where the file holds any. Throws FileError, and changes nothing, unless the
   * file holds exactly the names and shapes of the sets; averages that nobody asks for are left alone.
   */
  into(sets: ParameterSets): Promise<void>;
}

/** Reads a file of {@link saveParameterSets}. Throws FileError. */
export async function openParameterFile(path: string): Promise<ParameterFile> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw fileError('read', path, error);
  });
  const { metadata, tensors } = await inSlices(decodeSteps(bytes, path));
  return {
    metadata,
    optimizer: hasOptimizer(tensors.keys()),
    into: async (sets) => {
      const prefixes = prefixesOf(sets);
      const parts = split(tensors, [...prefixes.slice(1), `${averageName}.`]);
      // All are checked before one is changed.
      const values = [];
      for (const [i, [name, { parameters }]] of Object.entries(sets).entries()) {
        const place = i === 0 ? path : `${path} (${name})`;
        const part = parts.get(prefixes[i]) ?? new Map<string, WeightTensor>();
        values.push(await inSlices(tensorsToArenasSteps(parameters.map, part, place)));
      }
      for (const [i, { parameters }] of Object.values(sets).entries()) await parameters.write(values[i]);
    },
  };
}

function prefixesOf(sets: ParameterSets): string[] {
  return Object.keys(sets).map((name, i) => (i === 0 ? '' : `${name}.`));
}

/** By prefix, which is taken off; what has none of them is the first set's. */
function split(
  tensors: ReadonlyMap<string, WeightTensor>,
  prefixes: readonly string[],
): Map<string, Map<string, WeightTensor>> {
  const parts = new Map<string, Map<string, WeightTensor>>();
  for (const [name, tensor] of tensors) {
    const prefix = prefixes.find((prefix) => name.startsWith(prefix)) ?? '';
    if (!parts.has(prefix)) parts.set(prefix, new Map());
    parts.get(prefix)!.set(name.slice(prefix.length), tensor);
  }
  return parts;
}
