import { tensorsToArenas } from '../backend/parameter_file.ts';
import { placeParameters } from '../backend/parameter_map.ts';
import { aBoolean, anInteger, listOfLength } from '../checks.ts';
import { ArgumentError } from '../errors.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { formatGenotype } from '../genotype/text.ts';
import { encodeSafetensors, type TensorData } from '../io/safetensors.ts';
import { buildDerivedNetwork, type DerivedNetworkOptions } from '../network/derived.ts';
import type { Operation } from '../operation/operations.ts';
import { checkOptionRules, type OptionRules, record, required, text, word, wordOr } from '../option_rules.ts';
import { type SearchSpace, spaces } from '../space/space.ts';
import { isAlphaName } from './alphas.ts';
import { withCounters, withoutCounters } from './batch_counters.ts';
import { chosenWeights } from './cdarts_names.ts';
import { withFixedMixing } from './fixed_mixing.ts';
import { type NetworkSizes, sizesOfWeights, usualShape } from './network_sizes.ts';
import { encodeOnnx } from './onnx.ts';
import { completeSupernet } from './supernet_weights.ts';
import { encodeLegacyTorchFile, encodeTorchFile } from './torch_write.ts';
import { decodeMetadata, type WeightMetadata } from './weight_metadata.ts';
import { readWeights, type WeightFile } from './weights.ts';

/** The forms in which a trained network can be written; `pt-legacy` is for PyTorch before 1.6. */
export const exportFormats = ['onnx', 'pt', 'pt-legacy', 'safetensors'] as const;

/** One of {@link exportFormats}. */
export type ExportFormat = (typeof exportFormats)[number];

/** Options of {@link exportNetwork}. */
export interface ExportOptions {
  /** A file of weights under the published names, safetensors or of PyTorch. */
  readonly weights: string;
  /** Whose derived network it is; what the file tells when absent. */
  readonly genotype?: Genotype;
  /** Operations of your own that the genotype names, by name. */
  readonly operations?: Readonly<Record<string, Operation>>;
  /** Of a supernet; `darts` when absent. */
  readonly space?: string | SearchSpace;
  readonly format: ExportFormat;
  /** Whether averaged weights are taken where a file holds them beside the plain ones; true when absent. */
  readonly averages?: boolean;
  /**
   * Of a supernet: a file of its architecture parameters, which the published code keeps out of the state dict; safetensors, of
   * PyTorch or JSON. Those of `weights` when absent, or else zeros.
   */
  readonly alphas?: string;
  /**
   * Of a supernet for PyTorch: write a dict with `state_dict`, which the published code's strict load_state_dict takes, and
   * `alphas_normal` and `alphas_reduce`, or the `cells.INDEX.alphas` of cells that do not share them, beside it; false when absent.
   */
  readonly separateAlphas?: boolean;
  /** Height and width of the images, for ONNX; what the file tells when absent, else 32, 224 for a large stem. */
  readonly imageSize?: readonly [height: number, width: number];
}

const exportRules: OptionRules<ExportOptions> = {
  weights: required(text('a file of weights')),
  genotype: record('a genotype'),
  operations: record('functions by name'),
  space: wordOr(Object.keys(spaces), 'a search space of your own'),
  format: required(word(exportFormats)),
  averages: aBoolean,
  alphas: text('a file of architecture parameters'),
  separateAlphas: aBoolean,
  imageSize: listOfLength(2, anInteger(1), '[height, width]'),
};

/** A network in another form. */
export interface ExportedNetwork extends NetworkSizes {
  readonly bytes: Uint8Array;
  /** Of a supernet the one that its architecture parameters select; absent where nobody gave them. */
  readonly genotype?: Genotype;
  /** [height, width, channels] */
  readonly inputShape: readonly [number, number, number];
  /** Whether an ONNX model normalises pixels from 0 to 1 itself. */
  readonly normalises: boolean;
  /** What a user should know, such as which of several networks of a file was taken, or that weights are NaN; one line each. */
  readonly notices: readonly string[];
}

/**
 * Reads the weights of a network and gives them in another form: an ONNX model with its logits, a state dict that torch.load
 * reads, or safetensors. The names in a file tell a supernet, which has no ONNX form. Throws FileError where the weights are not
 * those of the genotype's network or of the space's supernet, with the names that are missing or too many, and ArgumentError where
 * nobody tells the genotype.
 */
export async function exportNetwork(options: ExportOptions): Promise<ExportedNetwork> {
  checkOptionRules('exportNetwork', options, exportRules);
  return exportWeights(options, await readWeights(options.weights, options));
}

/** The same of weights that were read. */
export async function exportWeights(options: ExportOptions, stored: WeightFile): Promise<ExportedNetwork> {
  const { weights: path, format, operations } = options;
  const known = decodeMetadata(stored.metadata);
  const read = { tensors: stored.tensors, sizes: sizesOfWeights(stored.tensors, path) };
  const { tensors: own, sizes } = options.genotype === undefined ? read : chosenWeights(read, options.genotype);
  const file = { ...stored, tensors: own };
  (sizes.supernet ? refuseOfSupernet : refuseOfDerived)(options);
  const network = { inputShape: shapeOf(options, known, sizes), ...sizes };
  const { genotype, tensors, notices } = sizes.supernet
    ? await completeSupernet(options, sizes, file)
    : { ...file, genotype: checkDerived(options, known, sizes, file) };
  const normalisation = normalisationOf(known, sizes);
  const metadata = { ...file.metadata, ...(genotype && { genotype: formatGenotype(genotype, 'json') }) };
  const beside = options.separateAlphas ? [...tensors.keys()].filter(isAlphaName) : [];
  const encoders: Readonly<Record<ExportFormat, () => Uint8Array>> = {
    onnx: () => encodeModel({ ...network, genotype: genotype!, operations }, tensors, normalisation, metadata),
    pt: () => encodeTorchFile(withCounters(tensors), beside),
    // PyTorch 0.3 of the published code knows no counters, and newer ones do without in a file of this format.
    'pt-legacy': () => encodeLegacyTorchFile(withoutCounters(tensors), beside),
    safetensors: () => encodeSafetensors(singles(tensors), metadata),
  };
  const bytes = encoders[format]();
  return { bytes, ...network, genotype, notices, normalises: format === 'onnx' && normalisation !== undefined };
}

/** Throws ArgumentError for options that a derived network has no use for. */
export function refuseOfDerived({ weights, alphas, separateAlphas }: ExportOptions): void {
  if (alphas === undefined && !separateAlphas) return;
  const option = alphas === undefined ? 'separate alphas (--separate-alphas)' : 'alphas (--alphas)';
  throw new ArgumentError(`${weights} holds no supernet: expected no ${option}, which a derived network does not have`);
}

/** Throws ArgumentError for options that a supernet has no use for. */
export function refuseOfSupernet({ weights, genotype, format, separateAlphas }: ExportOptions): void {
  if (format === 'onnx') throw new ArgumentError(`${weights} holds a supernet: expected pt or safetensors as its form`);
  if (format === 'safetensors' && separateAlphas) {
    throw new ArgumentError(
      'separate alphas (--separate-alphas) are for PyTorch: expected pt or pt-legacy as the form',
    );
  }
  if (genotype === undefined) return;
  throw new ArgumentError(`${weights} holds a supernet: expected no genotype (--arch), which its alphas tell`);
}

/** Names and shapes have to be those of the genotype's network, auxiliary head included where there is one. */
function checkDerived(
  options: ExportOptions,
  known: WeightMetadata,
  sizes: NetworkSizes,
  { tensors }: WeightFile,
): Genotype {
  const { weights: path, genotype = known.genotype, operations } = options;
  if (genotype === undefined)
    throw new ArgumentError(`expected the genotype (--arch) of the network in ${path}: the file does not tell`);
  const auxiliaryWeight = sizes.auxiliary ? 0 : undefined;
  const inputShape = usualShape(sizes);
  const { graph } = buildDerivedNetwork({ ...sizes, genotype, operations, inputShape, auxiliaryWeight });
  tensorsToArenas(placeParameters(graph), tensors, path);
  return genotype;
}

type Tensors = WeightFile['tensors'];

type Described = NetworkSizes & Pick<DerivedNetworkOptions, 'genotype' | 'inputShape' | 'operations'>;

function encodeModel(
  network: Described,
  weights: Tensors,
  normalisation: ReturnType<typeof normalisationOf>,
  metadata: WeightFile['metadata'],
): Uint8Array {
  const { graph, logits } = buildDerivedNetwork(network);
  return encodeOnnx({ graph: withFixedMixing(graph, weights), output: logits, weights, normalisation, metadata });
}

function shapeOf({ imageSize }: ExportOptions, { imageShape }: WeightMetadata, sizes: NetworkSizes) {
  const [height, width] = imageSize ?? imageShape ?? usualShape(sizes);
  return [height, width, sizes.imageChannels] as const;
}

function normalisationOf({ mean, deviation }: WeightMetadata, { imageChannels }: NetworkSizes) {
  const isKnown = mean?.length === imageChannels && deviation?.length === imageChannels;
  return isKnown ? { mean, deviation } : undefined;
}

/** Tensors as they are written: float32. */
export function singles(tensors: Tensors): Map<string, TensorData> {
  return new Map(
    [...tensors].map(([name, { shape, data }]) => [name, { shape, data: Float32Array.from(data) }] as const),
  );
}
