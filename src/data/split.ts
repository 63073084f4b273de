import { check, type Rule } from '../checks.ts';
import { invalid } from '../errors.ts';
import { permutation } from '../random/philox.ts';
import { type Dataset, type ImageSet, lackNotice } from './dataset.ts';

/** Dataset positions of the two parts of a split. */
export interface SplitIndices {
  readonly train: Uint32Array;
  readonly validation: Uint32Array;
}

/**
 * Splits positions 0..count-1 by a seeded permutation: the first floor(count·trainPortion) for weights, the rest for alpha
 * (arXiv:1806.09055, section 3.1); by `fileOrder` they stay as they are. A portion of 1 leaves none for it. Throws ArgumentError where a part would be empty otherwise.
 */
export function splitIndices(count: number, trainPortion: number, seed: number, fileOrder = false): SplitIndices {
  if (!Number.isSafeInteger(count) || count < 2 || count > 2 ** 32 - 1) {
    throw invalid('count', 'an integer from 2 to 4294967295', count);
  }
  if (!Number.isSafeInteger(seed) || seed < 0) throw invalid('seed', 'a safe integer of at least 0', seed);
  const trainCount = Math.floor(count * trainPortion);
  if (!(trainCount >= 1 && (trainCount < count || trainPortion === 1))) {
    throw invalid('trainPortion', `a share that puts at least 1 of ${count} images in each part`, trainPortion);
  }
  const order = fileOrder
    ? Uint32Array.from({ length: count }, (_, position) => position)
    : permutation({ seed, purpose: 'split', epoch: 0, step: 0 }, count);
  return { train: order.slice(0, trainCount), validation: order.slice(trainCount) };
}

/**
 * Halves each class: the first floor(n/2) of its n images in the file for weights, the rest for alpha; in the order of the file. By
 * `fileOrder` false the halves are random, by a permutation a class. Throws ArgumentError where a half would be empty.
 */
export function splitClasses(labels: Int32Array, seed: number, fileOrder = true): SplitIndices {
  const train = new Set<number>();
  positionsByClass(labels).forEach((positions, label) => {
    if (positions.length < 2) return;
    const order = fileOrder
      ? undefined
      : permutation({ seed, purpose: 'split', epoch: 0, step: label }, positions.length);
    const half = Math.floor(positions.length / 2);
    for (let place = 0; place < half; place++) train.add(positions[order?.[place] ?? place]);
  });
  if (train.size === 0) throw invalid('byClass (--by-class)', 'false where no class has two images', true);
  const all = Array.from(labels, (_, position) => position);
  return {
    train: Uint32Array.from(all.filter((position) => train.has(position))),
    validation: Uint32Array.from(all.filter((position) => !train.has(position))),
  };
}

/**
 * A dataset that is scored on a share of its training images, which it does not learn from: of each class by a seeded permutation,
 * at least one and never all; test images of its own are left alone. Throws ArgumentError for what is no share, or where no class
 * has two images.
 */
export function holdOut<Images extends ImageSet>(
  dataset: Dataset<Images>,
  portion: number,
  seed: number,
): Dataset<Images> {
  check('validationPortion (--validation-portion)', portion, aPortion);
  const { train, test, lacksTest, notices } = dataset;
  const held = new Set(
    positionsByClass(train.labels).flatMap((positions, label) => {
      const count = Math.min(positions.length - 1, Math.max(1, Math.round(positions.length * portion)));
      const order = permutation({ seed, purpose: 'split', epoch: 0, step: label }, positions.length);
      return Array.from(order.subarray(0, Math.max(0, count)), (place) => positions[place]);
    }),
  );
  if (held.size === 0)
    throw invalid('validationPortion (--validation-portion)', 'none where no class has two images', portion);
  const all = Array.from(train.labels, (_, position) => position);
  const own = test === undefined ? '' : '; the test images are left alone';
  return {
    ...dataset,
    train: subset(
      train,
      all.filter((position) => !held.has(position)),
    ),
    test: subset(
      train,
      all.filter((position) => held.has(position)),
    ),
    lacksTest: undefined,
    notices: [
      ...notices.filter((notice) => lacksTest === undefined || notice !== lackNotice(lacksTest)),
      `scored on ${held.size} of the training images, which are not learned from${own}`,
    ],
  };
}

/** Share of images that are held out. */
export const aPortion: Rule = {
  words: 'a number above 0 and below 1, such as 0.1',
  holds: (value) => typeof value === 'number' && value > 0 && value < 1,
};

function positionsByClass(labels: Int32Array): number[][] {
  const positions: number[][] = [];
  labels.forEach((label, position) => {
    positions[label] ??= [];
    positions[label].push(position);
  });
  return Array.from(positions, (own) => own ?? []);
}

/** The images at some positions. */
function subset<Images extends ImageSet>(set: Images, positions: readonly number[]): Images {
  const labels = Int32Array.from(positions, (position) => set.labels[position]);
  if (!('images' in set)) return { ...set, labels, names: positions.map((position) => set.names[position]) };
  const size = set.shape[0] * set.shape[1] * set.shape[2];
  const images = new Uint8Array(positions.length * size);
  positions.forEach((position, place) => {
    images.set(set.images.subarray(position * size, (position + 1) * size), place * size);
  });
  return { ...set, images, labels };
}
