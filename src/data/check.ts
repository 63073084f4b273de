import { invalid } from '../errors.ts';
import type { Dataset, ImageSet } from './dataset.ts';

/** A dataset of the user's own. Throws ArgumentError that names the field which does not fit the others. */
export function checkedDataset(dataset: Dataset<ImageSet>): Dataset<ImageSet> {
  if (typeof dataset !== 'object' || dataset === null) throw invalid('dataset', 'a name or a dataset object', dataset);
  const { train, test, classes, classNames, mean, deviation } = dataset;
  if (!(Number.isSafeInteger(classes) && classes >= 1)) throw invalid('dataset.classes', 'a positive integer', classes);
  if (!Array.isArray(classNames) || (classNames.length > 0 && classNames.length !== classes)) {
    throw invalid('dataset.classNames', `${classes} names, one a class, or none`, classNames);
  }
  checkImages('dataset.train', train, classes);
  if (test !== undefined) checkImages('dataset.test', test, classes);
  const channels = train.shape[2];
  for (const [name, values] of Object.entries({ mean, deviation })) {
    const fits = Array.isArray(values) && values.length === channels && values.every(Number.isFinite);
    if (!fits || (name === 'deviation' && values.some((value) => value <= 0))) {
      const kind = name === 'deviation' ? 'positive numbers' : 'numbers';
      throw invalid(`dataset.${name}`, `${channels} ${kind}, one a channel`, values);
    }
  }
  return dataset;
}

function checkImages(name: string, set: ImageSet, classes: number): void {
  const { labels, shape } = set ?? {};
  const isShape =
    Array.isArray(shape) && shape.length === 3 && shape.every((size) => Number.isSafeInteger(size) && size > 0);
  if (!isShape) throw invalid(`${name}.shape`, 'three positive integers [height, width, channels]', shape);
  if (!(labels instanceof Int32Array)) throw invalid(`${name}.labels`, 'an Int32Array', labels);
  const wrong = labels.findIndex((label) => label < 0 || label >= classes);
  if (wrong >= 0) throw invalid(`${name}.labels[${wrong}]`, `a label from 0 to ${classes - 1}`, labels[wrong]);
  if (!('images' in set)) {
    if (set.names.length !== labels.length) {
      throw invalid(`${name}.names`, `${labels.length} names, one a label`, `${set.names.length} names`);
    }
    return;
  }
  const bytes = labels.length * shape[0] * shape[1] * shape[2];
  if (!(set.images instanceof Uint8Array && set.images.length === bytes)) {
    throw invalid(`${name}.images`, `a Uint8Array of ${bytes} bytes, ${shape.join('x')} a label`, set.images);
  }
}
