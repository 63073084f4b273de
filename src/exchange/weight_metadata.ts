// What a training writes into its weights file beside the weights, so that the file can be served by itself.
import { type ColourProfile, colourProfiles, type Dataset, type ImageSet } from '../data/dataset.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { formatGenotype, parseGenotype } from '../genotype/text.ts';

/** What is known of a network's images and classes; parts are absent where the file does not tell them. */
export interface WeightMetadata {
  readonly genotype?: Genotype;
  /** [height, width, channels] */
  readonly imageShape?: readonly [number, number, number];
  /** Per channel, of pixels scaled to [0, 1]. */
  readonly mean?: readonly number[];
  readonly deviation?: readonly number[];
  readonly classNames?: readonly string[];
  /** What became of colour profiles in image files, where it was not the usual. */
  readonly colourProfile?: ColourProfile;
}

/** As the strings of a file. */
export function encodeMetadata(genotype: Genotype, dataset: Dataset<ImageSet>): Record<string, string> {
  const { train, mean, deviation, classNames } = dataset;
  return {
    genotype: formatGenotype(genotype, 'json'),
    image_shape: JSON.stringify(train.shape),
    mean: JSON.stringify(mean),
    deviation: JSON.stringify(deviation),
    ...(classNames.length > 0 && { class_names: JSON.stringify(classNames) }),
    ...('names' in train && train.colourProfile === 'ignore' && { colour_profile: train.colourProfile }),
  };
}

/** Reads what is whole; anything else counts as not told. */
export function decodeMetadata(metadata: Readonly<Record<string, string>>): WeightMetadata {
  const shape = numbers(metadata['image_shape']);
  const isShape = shape?.length === 3 && shape.every((size) => Number.isSafeInteger(size) && size > 0);
  const deviation = numbers(metadata['deviation']);
  return {
    genotype: attempt(() => parseGenotype(metadata['genotype'])),
    imageShape: isShape ? [shape[0], shape[1], shape[2]] : undefined,
    mean: numbers(metadata['mean']),
    deviation: deviation?.every((value) => value > 0) ? deviation : undefined,
    classNames: list(metadata['class_names'])?.map(String),
    colourProfile: colourProfiles.find((profile) => profile === metadata['colour_profile']),
  };
}

function numbers(text: string | undefined): number[] | undefined {
  const values = list(text);
  return values?.every((value): value is number => typeof value === 'number' && Number.isFinite(value))
    ? values
    : undefined;
}

function list(text: string | undefined): unknown[] | undefined {
  const value = attempt(() => JSON.parse(text ?? '') as unknown);
  return Array.isArray(value) ? value : undefined;
}

/** What work gives; undefined where it fails. */
export function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
