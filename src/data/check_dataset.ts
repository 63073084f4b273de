import {
  aBoolean,
  aName,
  anInteger,
  finite,
  isTypedArray,
  listOf,
  listOfLength,
  positive,
  type Rule,
  typedArray,
} from '../checks.ts';
import { invalid } from '../errors.ts';
import { checkFields, record, required, text } from '../option_rules.ts';
import type { Dataset, ImageSet } from './dataset.ts';

const aText: Rule = { words: 'a text', holds: (value) => typeof value === 'string' };

const someLabels: Rule = {
  words: 'an Int32Array of one label an image',
  holds: (value) => isTypedArray('Int32Array', value) && value.length > 0,
};

/** Throws ArgumentError for a dataset of the caller's own that lacks something or contradicts itself. */
export function checkDataset(dataset: Dataset<ImageSet>): void {
  checkFields('dataset.', dataset, {
    name: required(aName),
    train: required(record('images with labels and shape')),
    test: record('images with labels and shape'),
    classes: required(anInteger(1)),
    classNames: required(listOf(aText, 'a list of names, which may be empty')),
    augmentation: required(record('an object with pad and flip')),
    affine: record('an object with mean, deviation and flip'),
    notices: required(listOf(aText, 'a list of lines, which may be empty')),
  });
  const { train, test, classes, classNames, augmentation, affine } = dataset;
  if (classNames.length > 0 && classNames.length !== classes) {
    throw invalid('dataset.classNames', `${classes} names, one a class, or none`, classNames);
  }
  checkFields('dataset.augmentation.', augmentation, { pad: required(anInteger(0)), flip: required(aBoolean) });
  checkImages('dataset.train.', train, classes);
  if (test !== undefined) checkImages('dataset.test.', test, classes);
  const [, , channels] = train.shape;
  checkStatistics('dataset.', dataset, channels);
  if (affine === undefined) return;
  checkStatistics('dataset.affine.', affine, channels);
  checkFields('dataset.affine.', affine, { flip: required(aBoolean) });
}

function checkStatistics(prefix: string, statistics: Pick<Dataset, 'mean' | 'deviation'>, channels: number): void {
  checkFields(prefix, statistics, {
    mean: required(listOfLength(channels, finite, `a list of ${channels}, one number a channel`)),
    deviation: required(listOfLength(channels, positive, `a list of ${channels}, one positive number a channel`)),
  });
}

function checkImages(prefix: string, set: ImageSet, classes: number): void {
  checkFields(prefix, set, {
    shape: required(listOfLength(3, anInteger(1), '[height, width, channels]')),
    labels: required(someLabels),
  });
  const count = set.labels.length;
  if ('images' in set) {
    const [height, width, channels] = set.shape;
    const images = typedArray('Uint8Array', count * height * width * channels, 'pixels, as labels and shape say');
    checkFields(prefix, set, { images: required(images) });
  } else {
    checkFields(prefix, set, {
      folder: required(text('the path of a folder')),
      classFolders: required(listOf(aText, 'a list of folders, one a class')),
      names: required(listOfLength(count, aText, `a list of ${count} files, one a label`)),
    });
  }
  const wrong = set.labels.findIndex((label) => label < 0 || label >= classes);
  if (wrong >= 0) throw invalid(`${prefix}labels[${wrong}]`, `a label from 0 to ${classes - 1}`, set.labels[wrong]);
}
