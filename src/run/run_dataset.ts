// The images of a run, for what is done with it afterwards.
import type { Dataset, ImageSet } from '../data/dataset.ts';
import type { DatasetName } from '../data/load.ts';
import { ArgumentError } from '../errors.ts';
import type { RecordedRun } from './directory.ts';
import type { RunOptions } from './options.ts';

/** Where a run's images are to be had. */
export interface RunImages {
  /** The run's images, where it began with some of its own. */
  readonly dataset?: Dataset<ImageSet>;
  /** Where the run's data lie now. */
  readonly dataDir?: string;
}

/** Images of a run: some that are given, or what reads those of a name as the run did. */
export type RunDataset =
  | { readonly dataset: Dataset<ImageSet> }
  | (Pick<RunOptions, 'dataDir' | 'limit' | 'imageSize' | 'colourProfile'> & { readonly dataset: DatasetName });

/** The options of a run's images. Throws ArgumentError for a run that began with images of its own where none are given. */
export function runDataset(
  { config: { dataset }, files }: RecordedRun,
  { dataset: given, dataDir }: RunImages,
): RunDataset {
  if (given !== undefined) return { dataset: given };
  if (dataset.given) {
    throw new ArgumentError(
      `${files.directory} began with a dataset of its own, '${dataset.name}': give it as dataset`,
    );
  }
  const { limit, imageSize, colourProfile } = dataset;
  // As it was checked when the run began.
  const name = dataset.name as DatasetName;
  return { dataset: name, dataDir: dataDir ?? dataset.dataDir, limit, imageSize, colourProfile };
}
