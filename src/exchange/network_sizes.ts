import { FileError } from '../errors.ts';
import type { WeightTensor } from '../io/safetensors.ts';
import { betaName } from '../network/genotype_operation.ts';
import { cellType } from '../skeleton/cell_stack.ts';
import type { StemForm } from '../skeleton/skeleton.ts';
import type { SkeletonName } from '../skeleton/skeletons.ts';
import { hasNumberedPreprocessing, sizesOfCdarts } from './cdarts_sizes.ts';
import { isLanguageModel } from './language_names.ts';
import { hasResidualBlocks, sizesOfResidual } from './nasbench201_sizes.ts';
import { isSupernet } from './stored_networks.ts';

/** What the weights of a network tell of it. */
export interface NetworkSizes {
  /** What lies around the cells; `darts` when absent. */
  readonly skeleton?: SkeletonName;
  readonly initChannels: number;
  readonly layers: number;
  readonly stem: StemForm;
  readonly classes: number;
  readonly imageChannels: number;
  /** Whether there are weights of an auxiliary head. */
  readonly auxiliary: boolean;
  /** Whether its edges hold several operations, so that it is the network of a search and not a derived one. */
  readonly supernet: boolean;
  /** The stem's channels divided by `initChannels`; always 3 in derived networks of DARTS. */
  readonly stemMultiplier: number;
  /** Whether batch normalisations of the cells have an affine part, where the skeleton leaves that open. */
  readonly affineNorms?: boolean;
  /** Whether a batch normalisation follows its poolings; of a derived network. */
  readonly normalisePooling?: true;
  /** Whether its operations are weighed against none; of a derived network. */
  readonly keepNone?: true;
  /** Nodes of a cell; of a supernet alone. */
  readonly nodes?: number;
}

// Of a derived network.
const pooledNorm = /^cells\.\d+\._ops\.[\d.]+\.1\.running_mean$/;

const weighedAgainstNone = new RegExp(`^cells\\.\\d+\\._ops\\.[\\d.]+\\.${betaName}$`);

const mostLayers = 256;
/** Of a cell of 100 nodes. */
const mostEdges = 5150;

/** Reads the sizes off named weights. Throws FileError, naming `source`, where they are those of no network. */
export function sizesOfWeights(tensors: ReadonlyMap<string, WeightTensor>, source: string): NetworkSizes {
  const shapeOf: ShapeOf = (name, axes) => {
    const shape = tensors.get(name)?.shape;
    if (shape?.length === axes && shape.every((size) => size > 0)) return shape;
    const found = shape === undefined ? 'none' : `[${shape}]`;
    throw new FileError(`${source} holds no network: expected a tensor of ${axes} axes named ${name} but got ${found}`);
  };
  if (isLanguageModel(tensors)) throw new FileError(`${source} holds a language model: expected a network of images`);
  const names = [...tensors.keys()];
  if (hasResidualBlocks(names)) return sizesOfResidual(names, shapeOf, source);
  if (hasNumberedPreprocessing(names)) return sizesOfCdarts(names, shapeOf, source);
  const stem: StemForm = tensors.has('stem0.0.weight') ? 'large' : 'small';
  const [channels] = shapeOf(stem === 'large' ? 'stem1.1.weight' : 'stem.0.weight', 4);
  const [, imageChannels] = shapeOf(stem === 'large' ? 'stem0.0.weight' : 'stem.0.weight', 4);
  const [classes] = shapeOf('classifier.weight', 2);
  const layers = 1 + largest(names, /^cells\.(\d{1,9})\./);
  const supernet = isSupernet(names);
  const stemMultiplier = supernet && stem === 'small' ? channels / cellChannels(shapeOf, layers) : 3;
  // A large stem has no more channels than the first cell.
  const initChannels = stem === 'large' ? channels : channels / stemMultiplier;
  const edges = 1 + largest(names, /^cells\.0\._ops\.(\d{1,9})\./);
  const fits =
    Number.isInteger(initChannels) && Number.isInteger(stemMultiplier) && layers >= 1 && layers <= mostLayers;
  if (!fits || edges > mostEdges) {
    throw new FileError(
      `${source} holds no network: expected a stem of three times the first cell's channels, and 1 to ${mostLayers} cells`,
    );
  }
  return {
    ...{ initChannels, layers, stem, classes, imageChannels, supernet, stemMultiplier },
    auxiliary: names.some((name) => name.startsWith('auxiliary_head.')),
    ...(!supernet && names.some((name) => pooledNorm.test(name)) && { normalisePooling: true as const }),
    ...(!supernet && names.some((name) => weighedAgainstNone.test(name)) && { keepNone: true as const }),
    // Node n has n + 2 edges.
    ...(supernet && { nodes: Math.round((Math.sqrt(9 + 8 * edges) - 3) / 2) }),
  };
}

type ShapeOf = (name: string, axes: number) => readonly number[];

/** Channels that the first cell would have if it did not reduce. */
function cellChannels(shapeOf: ShapeOf, layers: number): number {
  const [channels] = shapeOf('cells.0.preprocess1.op.1.weight', 4);
  return cellType(0, layers) === 'reduce' ? channels / 2 : channels;
}

/** The largest number that a name has in the group of a pattern; -1 for none. */
function largest(names: readonly string[], pattern: RegExp): number {
  return names.reduce((most, name) => Math.max(most, Number(pattern.exec(name)?.[1] ?? -1)), -1);
}

/** Of the images of CIFAR and of ImageNet. */
const usualSide: Readonly<Record<StemForm, number>> = { small: 32, large: 224 };

/** An image's [height, width, channels] at which there is room for an auxiliary head; names and shapes of weights do not depend on it. */
export function usualShape({ stem, imageChannels }: NetworkSizes) {
  return [usualSide[stem], usualSide[stem], imageChannels] as const;
}
