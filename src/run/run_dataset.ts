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

/** What images of files are brought to; as in the run when absent. */
type Reading = Pick<RunOptions, 'imageSize' | 'colourProfile'>;

/** Images of a run: some that are given, or what reads those of a name as the run did. */
export interface RunDataset extends Reading, Pick<RunOptions, 'dataDir' | 'limit'> {
  readonly dataset: DatasetName | Dataset<ImageSet>;
}

/** The options of a run's images. Throws ArgumentError for a run of a text, and for one that began with images of its own where none are given. */
export function runDataset({ config, files }: RecordedRun, options: RunImages & Reading): RunDataset {
  const { dataset, dataDir, imageSize, colourProfile } = options;
  const run = config.dataset;
  if (run.words !== undefined) {
    throw new ArgumentError(`${files.directory} is a run of a text: expected one of images`);
  }
  if (dataset !== undefined) return { dataset, imageSize, colourProfile };
  if (run.given) {
    throw new ArgumentError(`${files.directory} began with a dataset of its own, '${run.name}': give it as dataset`);
  }
  return {
    // As it was checked when the run began.
    dataset: run.name as DatasetName,
    dataDir: dataDir ?? run.dataDir,
    limit: run.limit,
    imageSize: imageSize ?? run.imageSize,
    colourProfile: colourProfile ?? run.colourProfile,
  };
}
