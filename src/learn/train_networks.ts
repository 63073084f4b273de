import { type Dataset, type ImageSet, sizeOption } from '../data/dataset.ts';
import { DataError } from '../errors.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { buildDerivedNetwork } from '../network/derived.ts';
import type { DropPathUnit } from '../network/genotype_operation.ts';
import { callingSize } from '../network/image_size.ts';
import type { Network, StemForm } from '../skeleton/skeleton.ts';
import type { SkeletonName } from '../skeleton/skeletons.ts';

/** The two forms of a genotype's network for a dataset: to learn with, and the plain one to score. */
export interface TrainNetworks {
  readonly training: Network;
  readonly plain: Network;
}

/** What decides the networks. */
export interface NetworkSettings {
  readonly initChannels: number;
  readonly layers: number;
  readonly stem: StemForm;
  readonly auxiliary: boolean;
  readonly auxiliaryWeight: number;
  readonly dropPathProb: number;
  /** `published`: operations of pairs, nodes of triples. */
  readonly dropPathUnit: 'published' | DropPathUnit;
  readonly labelSmooth: number;
  /** Whether the scored loss is smoothed as well; false when absent. */
  readonly smoothScores?: boolean;
  /** Of poolings; false when absent. */
  readonly normalisePooling?: boolean;
  /** Whether operations are weighed against none; false when absent. */
  readonly keepNone?: boolean;
  /** What lies around the cells; by the genotype when absent. */
  readonly skeleton?: SkeletonName;
  /** The stem's channels divided by those of the first cell; the skeleton's own when absent. */
  readonly stemMultiplier?: number;
  /** Whether batch normalisations of the cells have an affine part; as the skeleton's do when absent. */
  readonly affineNorms?: boolean;
}

/** Builds both; they share the parameters of the first. Throws ArgumentError. */
export function buildTrainNetworks(
  genotype: Genotype,
  dataset: Dataset<ImageSet>,
  settings: NetworkSettings,
): TrainNetworks {
  const { train, classes } = dataset;
  const { initChannels, layers, stem, auxiliary, auxiliaryWeight, dropPathProb, dropPathUnit, labelSmooth } = settings;
  const { normalisePooling, keepNone, skeleton, stemMultiplier, affineNorms, smoothScores = false } = settings;
  const form = { skeleton, stemMultiplier, affineNorms, normalisePooling, keepNone };
  const shared = { genotype, inputShape: train.shape, classes, initChannels, layers, stem, ...form };
  const training = {
    ...shared,
    auxiliaryWeight: auxiliary ? auxiliaryWeight : undefined,
    dropPath: dropPathProb,
    dropPathUnit: dropPathUnit === 'published' ? undefined : dropPathUnit,
    labelSmoothing: labelSmooth,
  };
  const plain = { ...shared, labelSmoothing: smoothScores ? labelSmooth : undefined };
  return callingSize(sizeOption(dataset), () => ({
    training: buildDerivedNetwork(training),
    plain: buildDerivedNetwork(plain),
  }));
}

/** The images that a network is scored on. Throws DataError where there are none, or of another shape than those to learn from. */
export function testImagesOf({
  name,
  test,
  lacksTest,
  train,
}: Pick<Dataset<ImageSet>, 'name' | 'test' | 'lacksTest' | 'train'>): ImageSet {
  if (test === undefined) {
    throw new DataError(
      `${lacksTest ?? `dataset '${name}'`}: no test images to score a network on: add some, or keep a share of the training images for it, such as --validation-portion 0.1 (validationPortion)`,
    );
  }
  if (test.shape.every((size, axis) => size === train.shape[axis])) return test;
  throw new DataError(
    `expected test images of ${train.shape.join('x')}, as those to learn from, but got ${test.shape.join('x')}`,
  );
}
