import { tensorsToArenas } from '../backend/parameter_file.ts';
import { placeParameters } from '../backend/parameters.ts';
import { ArgumentError, FileError, invalid } from '../errors.ts';
import { encodeSafetensors } from '../io/safetensors.ts';
import { buildDerivedNetwork } from '../network/derived.ts';
import { formatGenotype, type Genotype } from '../network/genotype.ts';
import type { StemForm } from '../network/macro.ts';
import { type NetworkSizes, sizesOfWeights } from './network_sizes.ts';
import { encodeOnnx } from './onnx.ts';
import { encodeTorchFile } from './torch_write.ts';
import { decodeMetadata, type WeightMetadata } from './weight_metadata.ts';
import { readWeights, type WeightFile } from './weights.ts';

/** The forms in which a trained network can be written. */
export const exportFormats = ['onnx', 'pt', 'safetensors'] as const;

/** One of {@link exportFormats}. */
export type ExportFormat = (typeof exportFormats)[number];

/** Options of {@link exportNetwork}. */
export interface ExportOptions {
  /** A file of weights under the published names, safetensors or of PyTorch. */
  readonly weights: string;
  /** Whose network it is; what the file tells when absent. */
  readonly genotype?: Genotype;
  readonly format: ExportFormat;
  /** Height and width of the images, for ONNX; what the file tells when absent, else 32, 224 for a large stem. */
  readonly imageSize?: readonly [height: number, width: number];
}

/** A network in another form. */
export interface ExportedNetwork extends NetworkSizes {
  readonly bytes: Uint8Array;
  readonly genotype: Genotype;
  /** [height, width, channels] */
  readonly inputShape: readonly [number, number, number];
  /** Whether an ONNX model normalises pixels from 0 to 1 itself. */
  readonly normalises: boolean;
}

/**
 * Reads the weights of a derived network and gives them in another form: an ONNX model with its logits, a state dict that
 * torch.load reads, or safetensors. Throws FileError where the weights are not those of the genotype's network, with the names
 * that are missing or too many, and ArgumentError where nobody tells the genotype.
 */
export async function exportNetwork(options: ExportOptions): Promise<ExportedNetwork> {
  const { weights: path, format } = options;
  if (!exportFormats.includes(format)) throw invalid('format', `one of ${exportFormats.join(', ')}`, format);
  const file = await readWeights(path);
  const known = decodeMetadata(file.metadata);
  const genotype = options.genotype ?? known.genotype;
  if (genotype === undefined)
    throw new ArgumentError(`expected the genotype (--arch) of the network in ${path}: the file does not tell`);
  const sizes = sizesOfWeights(file.tensors, path);
  const inputShape = shapeOf(options, known, sizes);
  const network = { genotype, inputShape, ...sizes };
  checkWeights(network, file, path);
  const normalisation = normalisationOf(known, sizes);
  const bytes =
    format === 'onnx'
      ? encodeModel(network, file, normalisation)
      : format === 'pt'
        ? encodeTorchFile(file.tensors)
        : encodeSafetensors(singles(file), { ...file.metadata, genotype: formatGenotype(genotype, 'json') });
  return { bytes, ...network, normalises: format === 'onnx' && normalisation !== undefined };
}

type Described = NetworkSizes & { readonly genotype: Genotype; readonly inputShape: readonly [number, number, number] };

/** Names and shapes have to be those of the network, auxiliary head included where there is one. */
function checkWeights({ auxiliary, ...network }: Described, { tensors }: WeightFile, path: string): void {
  if (!Number.isInteger(network.initChannels) || network.layers < 1) {
    throw new FileError(
      `${path} holds no derived network: expected a stem of three times the first cell's channels, and cells`,
    );
  }
  // At a size that has room for the head; names and shapes do not depend on it.
  const side = usualSide[network.stem];
  const inputShape = [side, side, network.imageChannels] as const;
  const { graph } = buildDerivedNetwork({ ...network, inputShape, auxiliaryWeight: auxiliary ? 0 : undefined });
  tensorsToArenas(placeParameters(graph), tensors, path);
}

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

function shapeOf({ imageSize }: ExportOptions, { imageShape }: WeightMetadata, { stem, imageChannels }: NetworkSizes) {
  const usual = usualSide[stem];
  const [height, width] = imageSize ?? imageShape ?? [usual, usual];
  return [height, width, imageChannels] as const;
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
