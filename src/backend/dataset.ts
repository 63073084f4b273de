/// <reference lib="esnext.disposable" preserve="true" />
// A dataset on a device: what is checked of its arrays before a backend gets them, and after.

import { anInteger, check, checkRecord, isTypedArray, listOfLength, typedArray } from '../checks.ts';
import type { ImageArrays } from '../data/dataset.ts';
import { invalid } from '../errors.ts';
import { elementsOf } from '../graph/shape.ts';
import type { DeviceDataset } from './device.ts';

/** How a backend stores a dataset. */
export interface DatasetStore {
  /** Behind the device's commands so far. */
  replace(images: Uint8Array, labels: Int32Array): Promise<void>;
  dispose(): void;
}

const sides = listOfLength(3, anInteger(1, 65536), '[height, width, channels] of integers from 1 to 65536');

/** The dataset of every backend. */
export class HeldDataset implements DeviceDataset {
  readonly count: number;
  readonly shape: ImageArrays['shape'];
  readonly #store: DatasetStore;
  #classes: number;

  /** Of arrays and the number of classes that {@link checkImages} found. */
  constructor({ labels, shape }: ImageArrays, classes: number, store: DatasetStore) {
    this.count = labels.length;
    this.shape = [shape[0], shape[1], shape[2]];
    this.#store = store;
    this.#classes = classes;
  }

  /** One more than the largest label. */
  get classes(): number {
    return this.#classes;
  }

  async replace(images: Uint8Array, labels: Int32Array): Promise<void> {
    checkPixels(images, this.count, this.shape);
    check('labels', labels, typedArray('Int32Array', this.count, 'labels, as many as there are,'));
    this.#classes = classesOf(labels);
    await this.#store.replace(images, labels);
  }

  dispose(): void {
    this.#store.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Throws ArgumentError unless arrays are images with a label each; gives one more than the largest label. */
export function checkImages(arrays: ImageArrays): number {
  checkRecord('arrays', arrays, 'images, labels and shape');
  const { images, labels, shape } = arrays;
  check('shape', shape, sides);
  if (!isTypedArray('Int32Array', labels) || labels.length === 0) {
    throw invalid('labels', 'an Int32Array of at least one label', labels);
  }
  checkPixels(images, labels.length, shape);
  return classesOf(labels);
}

function checkPixels(images: Uint8Array, count: number, shape: ImageArrays['shape']): void {
  const bytes = elementsOf(shape, count);
  check('images', images, typedArray('Uint8Array', bytes, `bytes, [${[count, ...shape]}]`));
}

/** One more than the largest label. Throws ArgumentError for one below 0. */
function classesOf(labels: Int32Array): number {
  let [least, most] = [0, 0];
  for (let i = 0; i < labels.length; i++) {
    if (labels[i] < least) least = labels[i];
    if (labels[i] > most) most = labels[i];
  }
  if (least < 0) throw invalid('labels', 'labels from 0', least);
  return most + 1;
}
