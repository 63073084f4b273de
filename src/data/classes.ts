// Classes by name: what a network knows beside what a dataset holds.
import { DataError } from '../errors.ts';
import type { Dataset, ImageSet } from './dataset.ts';
import { listed } from './files.ts';

/** The classes of a network, in the order of its logits. */
export interface KnownClasses {
  readonly count: number;
  /** One a class; absent where nobody knows them. */
  readonly names?: readonly string[];
}

/**
 * Images with the labels that a network has for their classes: by name where both tell names, else by number. A dataset may lack
 * classes of the network. Throws DataError, naming them, for classes that the network lacks.
 */
export function labelledFor<Images extends ImageSet>(
  images: Images,
  { name, classes, classNames }: Pick<Dataset, 'name' | 'classes' | 'classNames'>,
  network: KnownClasses,
): Images {
  const { count, names } = network;
  const present = new Set(images.labels);
  if (classNames.length > 0 && names?.length === count) {
    const places = classNames.map((own) => names.indexOf(own));
    const unknown = classNames.filter((_, label) => present.has(label) && places[label] < 0);
    if (unknown.length === 0) return relabelled(images, places, count);
    throw new DataError(
      `dataset '${name}' expected only classes that the network was trained on (${listed(names)}), found ${listed(unknown)}`,
    );
  }
  const beyond = images.labels.find((label) => label >= count);
  if (beyond !== undefined) {
    throw new DataError(`dataset '${name}' expected labels below ${count}, the network's classes, found ${beyond}`);
  }
  if (classNames.length > 0 && classes !== count) {
    throw new DataError(
      `dataset '${name}' expected the ${count} classes of the network, whose weights do not tell their names, found ${classes}: ${listed(classNames)}`,
    );
  }
  return images;
}

function relabelled<Images extends ImageSet>(images: Images, places: readonly number[], count: number): Images {
  const labels = images.labels.map((label) => places[label]);
  if ('images' in images) return { ...images, labels };
  const classFolders = new Array<string>(count).fill('');
  images.classFolders.forEach((folder, label) => {
    if (places[label] >= 0) classFolders[places[label]] = folder;
  });
  return { ...images, labels, classFolders };
}

/** What to tell of classes that have no images; `kind` is what the images are for, such as 'training'. */
export function emptyClassNotices(
  { labels }: Pick<ImageSet, 'labels'>,
  { classes, classNames }: Pick<Dataset, 'classes' | 'classNames'>,
  kind: string,
): string[] {
  const present = new Set(labels);
  const empty = Array.from({ length: classes }, (_, label) => label).filter((label) => !present.has(label));
  if (empty.length === 0) return [];
  const verb = empty.length === 1 ? 'has' : 'have';
  return [
    `${empty.length} of ${classes} classes ${verb} no ${kind} images: ${listed(empty.map((label) => classNames[label] ?? String(label)))}`,
  ];
}
