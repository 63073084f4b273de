import { tensorsToArenas } from '../backend/parameter_file.ts';
import { placeParameters } from '../backend/parameter_map.ts';
import { aBoolean } from '../checks.ts';
import { ArgumentError } from '../errors.ts';
import type { Genotype, RecurrentGenotype } from '../genotype/genotype.ts';
import { checkGenotype } from '../genotype/rules.ts';
import { formatGenotype } from '../genotype/text.ts';
import { encodeSafetensors } from '../io/safetensors.ts';
import { buildLanguageModel, languageModelNames } from '../network/language_model.ts';
import { checkOptionRules, type OptionRules, record, required, text, word } from '../option_rules.ts';
import { readLanguageAlpha } from './alphas.ts';
import { withCounters, withoutCounters } from './batch_counters.ts';
import {
  type ExportFormat,
  type ExportOptions,
  exportFormats,
  refuseOfDerived,
  refuseOfSupernet,
  singles,
} from './export.ts';
import { decodeLanguageMetadata } from './language_metadata.ts';
import { isLanguageModel, tied, tiedNames } from './language_names.ts';
import { type StoredLanguageModel, sizesOfLanguageModel } from './language_sizes.ts';
import { notFinite } from './not_finite.ts';
import { encodeLanguageOnnx } from './onnx_language_model.ts';
import { selectedCell, zeroLanguageAlpha } from './searched_language_model.ts';
import { encodeLegacyTorchFile, encodeTorchFile } from './torch_write.ts';
import { readWeights, type WeightFile } from './weights.ts';

/** Options of {@link exportLanguageModel}. */
export interface LanguageExportOptions extends Pick<ExportOptions, 'weights' | 'format' | 'averages'> {
  /** Whose model it is; what the file tells when absent. */
  readonly genotype?: Genotype;
  /** Of a search's: a file of its architecture parameters, safetensors, of PyTorch or JSON; those of `weights` when absent, or else zeros. */
  readonly alphas?: string;
  /**
   * Of a search's for PyTorch: write a dict with `state_dict`, which the published code's strict load_state_dict takes, and `weights`, its
   * architecture parameters, beside it; false when absent.
   */
  readonly separateAlphas?: boolean;
}

const rules: OptionRules<LanguageExportOptions> = {
  weights: required(text('a file of weights')),
  genotype: record('a genotype'),
  format: required(word(exportFormats)),
  averages: aBoolean,
  alphas: text('a file of architecture parameters'),
  separateAlphas: aBoolean,
};

/** A language model in another form. */
export interface ExportedLanguageModel extends StoredLanguageModel {
  readonly bytes: Uint8Array;
  /** Of a search's the cell that its architecture parameters select; absent where nobody gave them. */
  readonly genotype?: RecurrentGenotype;
  /** What a user should know; one line each. */
  readonly notices: readonly string[];
}

/** The weights of a model that were held to its graph. */
interface SoundModel extends Pick<WeightFile, 'tensors' | 'notices'> {
  readonly genotype?: RecurrentGenotype;
}

/**
 * Reads the weights of a language model (arXiv:1806.09055), those of a model that the published code pickled whole among them, and gives them
 * in another form: as ONNX, words `[T, B]` and a hidden state `[1, B, n]` to log-probabilities `[T, B, V]` and the last hidden state; as a
 * state dict of the published names, the table of words under both; or as safetensors. Throws FileError where the weights are not those of the
 * genotype's model, with the names that are missing or too many, and ArgumentError where nobody tells the genotype.
 */
export async function exportLanguageModel(options: LanguageExportOptions): Promise<ExportedLanguageModel> {
  checkOptionRules('exportLanguageModel', options, rules);
  return exportLanguageWeights(options, await readWeights(options.weights, options));
}

/** The same of weights that were read. */
export async function exportLanguageWeights(
  options: LanguageExportOptions,
  file: WeightFile,
): Promise<ExportedLanguageModel> {
  const { weights: path, format } = options;
  if (!isLanguageModel(file.tensors)) {
    throw new ArgumentError(`${path} holds no language model: expected ${tiedNames.kept} and a recurrent cell`);
  }
  const sizes = sizesOfLanguageModel(file.tensors, path);
  (sizes.supernet ? refuseOfSupernet : refuseOfDerived)(options);
  const model = sizes.supernet ? await searchedModel(options, sizes, file) : derivedModel(options, sizes, file);
  const { genotype, tensors, notices } = model;
  const metadata = { ...file.metadata, ...(genotype && { genotype: formatGenotype(genotype, 'json') }) };
  const apart = options.separateAlphas ? [languageModelNames.alpha] : [];
  const encoders: Readonly<Record<ExportFormat, () => Uint8Array>> = {
    onnx: () => encodeLanguageOnnx({ ...buildLanguageModel({ ...sizes, genotype }), weights: tensors, metadata }),
    pt: () => encodeTorchFile(withCounters(tied(tensors)), apart),
    'pt-legacy': () => encodeLegacyTorchFile(withoutCounters(tied(tensors)), apart),
    // As save_model of the package safetensors says that two names share a tensor.
    safetensors: () => encodeSafetensors(singles(tensors), { ...metadata, [tiedNames.twin]: tiedNames.kept }),
  };
  return { bytes: encoders[format](), ...sizes, genotype, notices };
}

function derivedModel(
  { weights: path, genotype: given }: LanguageExportOptions,
  sizes: StoredLanguageModel,
  file: WeightFile,
): SoundModel {
  const { genotype: known } = decodeLanguageMetadata(file.metadata);
  const genotype = given ?? known;
  if (genotype === undefined) {
    throw new ArgumentError(`expected the genotype (--arch) of the language model in ${path}: the file does not tell`);
  }
  checkGenotype(genotype);
  if (genotype.recurrent === undefined) {
    throw new ArgumentError(`${path} holds a language model: expected the genotype (--arch) of a recurrent cell`);
  }
  if (known !== undefined && formatGenotype(known, 'json') !== formatGenotype(genotype, 'json')) {
    throw new ArgumentError(`${path} tells another genotype than --arch: expected ${formatGenotype(known)}`);
  }
  checkTensors(sizes, genotype, file.tensors, path);
  return { ...file, genotype };
}

async function searchedModel(
  { weights: path, alphas }: LanguageExportOptions,
  sizes: StoredLanguageModel,
  file: WeightFile,
): Promise<SoundModel> {
  const given = alphas === undefined ? undefined : await readLanguageAlpha(alphas);
  const { alpha } = languageModelNames;
  const isKnown = given !== undefined || file.tensors.has(alpha);
  const tensors = new Map([...file.tensors, ...(given ?? (isKnown ? [] : [[alpha, zeroLanguageAlpha(sizes.nodes)]]))]);
  checkTensors(sizes, undefined, tensors, alphas === undefined ? path : `${path} with ${alphas}`);
  const absence = `${path} holds no architecture parameters: ${alpha} is 0, all candidates alike (--alphas gives a file of them)`;
  return {
    tensors,
    genotype: isKnown ? selectedCell(sizes.nodes, tensors.get(alpha)!) : undefined,
    notices: [...file.notices, ...(given ? notFinite(given, alphas!) : []), ...(isKnown ? [] : [absence])],
  };
}

/** Names and shapes have to be exactly those of the model. */
function checkTensors(
  sizes: StoredLanguageModel,
  genotype: RecurrentGenotype | undefined,
  tensors: WeightFile['tensors'],
  path: string,
): void {
  tensorsToArenas(placeParameters(buildLanguageModel({ ...sizes, genotype }).graph), tensors, path);
}
