import { stat } from 'node:fs/promises';
import type { DatasetName } from '../data/load.ts';
import { readRun } from '../run/directory.ts';

/** What a training's run directory brings; undefined where it is a search's. */
export async function trainingOf(directory: string) {
  const { files, config } = await readRun(directory);
  if (config.command !== 'train') return undefined;
  const finished = await stat(files.weights).catch(() => undefined);
  const { name, given, dataDir, limit, validationPortion } = config.dataset;
  return {
    // Of a training that goes on, the last checkpoint.
    weights: finished === undefined ? files.checkpoint : files.weights,
    dataset: given ? undefined : (name as DatasetName),
    dataDir,
    limit,
    validationPortion,
    seed: config.seed,
  };
}
