import { stat } from 'node:fs/promises';
import type { DatasetName } from '../data/load.ts';
import type { CorpusName } from '../data/text/corpus.ts';
import { exists } from '../io/file_error.ts';
import { readRun, runFiles, trainingDirectory } from '../run/directory.ts';

/** A training's weights and data. */
export interface TrainingOfRun {
  /** File of them. */
  readonly weights: string;
  readonly dataset?: DatasetName | CorpusName;
  /** Of a text: the file of its words. */
  readonly vocabulary?: string;
  readonly dataDir?: string;
  readonly limit?: number;
  readonly validationPortion?: number;
  readonly seed: number;
}

/** What the run directory of a training brings, or of a search that a training followed; undefined for another search's. */
export async function trainingOf(directory: string): Promise<TrainingOfRun | undefined> {
  const { files, config } = await readRun(directory);
  const followed = trainingDirectory(directory);
  if (config.training !== undefined && (await exists(runFiles(followed).config))) return trainingOf(followed);
  if (config.command !== 'train') return undefined;
  const finished = await stat(files.weights).catch(() => undefined);
  const { name, given, dataDir, limit, validationPortion } = config.dataset;
  return {
    // Of a training that goes on, the last checkpoint.
    weights: finished === undefined ? files.checkpoint : files.weights,
    dataset: given ? undefined : (name as DatasetName),
    vocabulary: config.dataset.words === undefined ? undefined : files.vocabulary,
    dataDir,
    limit,
    validationPortion,
    seed: config.seed,
  };
}
