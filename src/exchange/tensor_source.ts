import type { WeightTensor } from '../io/safetensors.ts';

/** The tensors of a file before it is known which of them are wanted. */
export interface TensorSource {
  /** Of every tensor, in the order of the file, such as `state_dict.stem.0.weight`. */
  readonly paths: readonly string[];
  /** What the paths of the file's state dict begin with; '' where it is one. */
  readonly root: string;
  /** Those of some paths, by path. Throws FileError. */
  read(paths: readonly string[]): Map<string, WeightTensor>;
}
