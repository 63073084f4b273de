// The network that a run's genotype was found for, as the run has recorded it.
import { exists } from '../io/file_error.ts';
import type { Method } from '../methods/method.ts';
import { skeletonNameOf } from '../space/space.ts';
import { readRun, runFiles } from './directory.ts';
import { readRecordedStages } from './recorded_space.ts';

/**
 * Name of the skeleton whose cells a run has found; undefined where it does not tell, as a training does not. Throws FileError for a damaged run.
 */
export async function foundSkeleton(directory: string, methods: readonly Method[]): Promise<string | undefined> {
  // A stage of a run has left a genotype, but no configuration.
  if (!(await exists(runFiles(directory).config))) return undefined;
  const { config } = await readRun(directory, methods);
  const space = config.space ?? config.source?.space;
  if (space === undefined) return undefined;
  if (!space.given) return skeletonNameOf(space.name);
  const [stage] = (await readRecordedStages(config.source?.directory ?? directory)).values();
  return stage && (stage.layout.skeleton ?? 'darts');
}
