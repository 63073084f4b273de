import { FileError } from '../errors.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { languageModelNames } from '../network/language_model.ts';
import { isLanguageModel, isSearchedLanguageModel } from './language_names.ts';
import { sizesOfLanguageModel } from './language_sizes.ts';
import { selectedCell } from './searched_language_model.ts';
import { decodeMetadata } from './weight_metadata.ts';
import { readWeights, type WeightFile } from './weights.ts';

/** A genotype that was read from a file of another kind than text. */
export interface StoredGenotype {
  readonly genotype: Genotype;
  /** Whether the file has the weights of its network too. */
  readonly isNetwork: boolean;
}

/**
 * The genotype of weights that tell it, safetensors or a whole language model of PyTorch; of a language model's search the cell that alpha
 * selects. Throws FileError.
 */
export async function readStoredGenotype(path: string): Promise<StoredGenotype> {
  const file = await readWeights(path);
  const isNetwork = !(isLanguageModel(file.tensors) && isSearchedLanguageModel(file.tensors));
  const genotype = isNetwork ? decodeMetadata(file.metadata).genotype : selected(file, path);
  if (genotype !== undefined) return { genotype, isNetwork };
  throw new FileError(`${path} holds no genotype: its weights do not tell it`);
}

function selected({ tensors }: WeightFile, path: string): Genotype | undefined {
  const alpha = tensors.get(languageModelNames.alpha);
  return alpha && selectedCell(sizesOfLanguageModel(tensors, path).nodes, alpha);
}
