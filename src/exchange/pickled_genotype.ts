// Genotypes in pickles: what StacNAS' code (arXiv:1909.11926) pickled, by itself or within the network that it was built from, and the cell of a
// whole language model of DARTS' code (arXiv:1806.09055). Nothing of a file is run.
import { FileError } from '../errors.ts';
import { cellKey, cellTypes, type Genotype, type GenotypeCell, genotypeOfCells } from '../genotype/genotype.ts';
import { findFault } from '../genotype/rules.ts';
import { Opaque } from '../io/unpickle.ts';
import { readBytes } from './open_tensors.ts';
import { isPickledLanguageModel } from './pickled_language_model.ts';
import { plainPickle } from './stacnas_pickles.ts';
import { readStoredGenotype, type StoredGenotype } from './stored_genotype.ts';
import { isTorchArchive, openTorchArchive } from './torch_archive.ts';

/** Whether bytes begin as a file of torch.save does: a zip archive or a pickle. */
export function isTorchFile(bytes: Uint8Array): boolean {
  return (bytes[0] === 0x80 && bytes[1] >= 2 && bytes[1] <= 5) || (bytes[0] === 0x50 && bytes[1] === 0x4b);
}

/**
 * Reads it from a file of torch.save that holds the whole module, of a language model's search the cell that alpha selects, or from
 * genotypes.pk. Throws FileError where there is none.
 */
export async function readPickledGenotype(path: string): Promise<StoredGenotype> {
  const value = pickled(await readBytes(path), path);
  if (isPickledLanguageModel(value)) return readStoredGenotype(path);
  const genotype = genotypeOf(value);
  if (genotype !== undefined && findFault(genotype) === undefined)
    return { genotype, isNetwork: value instanceof Opaque };
  throw new FileError(
    `${path} holds no genotype: expected text, a whole language model of DARTS' code, or what StacNAS' code pickled: genotypes.pk or a whole ` +
      'network',
  );
}

function pickled(bytes: Uint8Array, path: string): unknown {
  try {
    return isTorchArchive(bytes) ? openTorchArchive(bytes).value : plainPickle(bytes);
  } catch (error) {
    throw new FileError(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** [normal, reduce] or all cells of the network, each [node, ...], each [(operation, input), ...]. */
function genotypeOf(value: unknown): Genotype | undefined {
  const state = value instanceof Opaque ? value.state : undefined;
  const cells: unknown = state instanceof Map ? state.get('_genotypes') : value;
  if (!Array.isArray(cells) || cells.length < cellTypes.length) return undefined;
  const keyOf = cells.length === cellTypes.length ? (index: number) => cellTypes[index] : cellKey;
  const read = cells.map((cell, index) => [keyOf(index), cellOf(cell)] as const);
  return genotypeOfCells(Object.fromEntries(read));
}

/** Whether it makes sense is for others to find out. */
function cellOf(nodes: unknown): GenotypeCell {
  const read = (Array.isArray(nodes) ? nodes : []).map((edges) =>
    Array.isArray(edges) ? edges.map((edge) => ({ operation: edge?.[0], input: edge?.[1] })) : [],
  );
  return { nodes: read, concat: read.map((_, node) => node + 2) };
}
