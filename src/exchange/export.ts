import { tensorsToArenas } from '../backend/parameter_file.ts';
import { placeParameters } from '../backend/parameters.ts';
import { ArgumentError, invalid } from '../errors.ts';
import { encodeSafetensors } from '../io/safetensors.ts';
import { buildDerivedNetwork, type DerivedNetworkOptions } from '../network/derived.ts';
import { formatGenotype, type Genotype } from '../network/genotype.ts';
import type { StemForm } from '../network/macro.ts';
import { mixingWeights } from '../network/mixing.ts';
import type { Operation } from '../network/operations.ts';
import { buildSupernet, genotypeOf } from '../network/supernet.ts';
import type { SearchSpace } from '../space/space.ts';
import { type NetworkSizes, sizesOfWeights } from './network_sizes.ts';
import { encodeOnnx } from './onnx.ts';
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
  /** Height and width of the images, for ONNX; what the file tells when absent, else 32, 224 for a large stem. */
  readonly imageSize?: readonly [height: number, width: number];
}

/** A network in another form. */
export interface ExportedNetwork extends NetworkSizes {
  readonly bytes: Uint8Array;
  /** Of a supernet the one that its architecture parameters select. */
  readonly genotype: Genotype;
  /** [height, width, channels] */
  readonly inputShape: readonly [number, number, number];
  /** Whether an ONNX model normalises pixels from 0 to 1 itself. */
  readonly normalises: boolean;
}

/**
 * Reads the weights of a network and gives them in another form: an ONNX model with its logits, a state dict that torch.load
 * reads, or safetensors. A file with `alphas_normal` and `alphas_reduce` holds a supernet, which has no ONNX form. Throws
 * FileError where the weights are not those of the genotype's network or of the space's supernet, with the names that are missing
 * or too many, and ArgumentError where nobody tells the genotype.
 */
export async function exportNetwork(options: ExportOptions): Promise<ExportedNetwork> {
  const { weights: path, format } = options;
  if (!exportFormats.includes(format)) throw invalid('format', `one of ${exportFormats.join(', ')}`, format);
  const file = await readWeights(path);
  const known = decodeMetadata(file.metadata);
  const sizes = sizesOfWeights(file.tensors, path);
  const genotype = sizes.supernet ? checkSupernet(options, sizes, file) : checkDerived(options, known, sizes, file);
  const network = { genotype, inputShape: shapeOf(options, known, sizes), ...sizes };
  const normalisation = normalisationOf(known, sizes);
  const encoders: Readonly<Record<ExportFormat, () => Uint8Array>> = {
    onnx: () => encodeModel({ ...network, operations: options.operations }, file, normalisation),
    pt: () => encodeTorchFile(file.tensors),
    'pt-legacy': () => encodeLegacyTorchFile(file.tensors),
    safetensors: () =>
      encodeSafetensors(singles(file), { ...file.metadata, genotype: formatGenotype(genotype, 'json') }),
  };
  const bytes = encoders[format]();
  return { bytes, ...network, normalises: format === 'onnx' && normalisation !== undefined };
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

/** Names and shapes have to be those of the space's supernet. */
function checkSupernet(
  { weights: path, genotype, space, format }: ExportOptions,
  sizes: NetworkSizes,
  { tensors }: WeightFile,
): Genotype {
  if (format === 'onnx') throw new ArgumentError(`${path} holds a supernet: expected pt or safetensors as its form`);
  if (genotype !== undefined)
    throw new ArgumentError(`${path} holds a supernet: expected no genotype (--arch), which its alphas tell`);
  const supernet = buildSupernet({ ...sizes, space, inputShape: usualShape(sizes) });
  tensorsToArenas(placeParameters(supernet.graph), tensors, path);
  const mixing = Object.values(supernet.tables).map(({ name, rowLengths }) => {
    const alpha = Float32Array.from(tensors.get(name)!.data);
    return [name, mixingWeights(alpha, rowLengths, supernet.space.activation)] as const;
  });
  return genotypeOf(supernet, Object.fromEntries(mixing));
}

type Described = NetworkSizes & Pick<DerivedNetworkOptions, 'genotype' | 'inputShape' | 'operations'>;

function encodeModel(
  { genotype, ...network }: Described,
  { tensors, metadata }: WeightFile,
  normalisation: ReturnType<typeof normalisationOf>,
): Uint8Array {
  const { graph, logits } = buildDerivedNetwork({ genotype, ...network });
  return encodeOnnx({
    graph,
    output: logits,
    weights: tensors,
    normalisation,
    metadata: { ...metadata, genotype: formatGenotype(genotype, 'json') },
  });
}

/** Of the images of CIFAR and of ImageNet. */
const usualSide: Readonly<Record<StemForm, number>> = { small: 32, large: 224 };

/** At which there is room for an auxiliary head; names and shapes of weights do not depend on it. */
function usualShape({ stem, imageChannels }: NetworkSizes) {
  return [usualSide[stem], usualSide[stem], imageChannels] as const;
}

function shapeOf({ imageSize }: ExportOptions, { imageShape }: WeightMetadata, sizes: NetworkSizes) {
  const [height, width] = imageSize ?? imageShape ?? usualShape(sizes);
  return [height, width, sizes.imageChannels] as const;
}

function normalisationOf({ mean, deviation }: WeightMetadata, { imageChannels }: NetworkSizes) {
  const isKnown = mean?.length === imageChannels && deviation?.length === imageChannels;
  return isKnown ? { mean, deviation } : undefined;
}

function singles({ tensors }: WeightFile) {
  return new Map(
    [...tensors].map(([name, { shape, data }]) => [name, { shape, data: Float32Array.from(data) }] as const),
  );
}
