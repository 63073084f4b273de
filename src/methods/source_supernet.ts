// The supernet that a search has left, for what goes on with it.
import { openParameterFile } from '../backend/parameter_sets.ts';
import { ArgumentError } from '../errors.ts';
import type { AlternatingSettings } from './alternating_parts.ts';
import { isSearchDescription, type SearchDescription } from './alternating_search.ts';
import type { MethodContext, SourceRun } from './method.ts';
import type { SupernetTraining } from './supernet_training.ts';

/** What goes on with a supernet has of its own, in place of the search's settings. */
export type TuningSettings = Pick<AlternatingSettings, 'batchSize' | 'momentum' | 'weightDecay' | 'gradClip'>;

/**
 * The search of a run, or the stage of it that has left the checkpoint, as it goes on. Throws ArgumentError for one that trained no
 * supernet.
 */
export async function describeSupernet(
  context: MethodContext<TuningSettings>,
  source: SourceRun,
): Promise<SearchDescription> {
  const { batchSize, momentum, weightDecay, gradClip } = context.settings;
  const own = { batchSize, momentum, weightDecay, gradClip, drawnBatches: false };
  const { method, seed, space = '', before } = source;
  const settings = { ...source.settings, ...own } as never;
  const whole = await method.describe({ ...context, settings, seed, space, before, source: undefined });
  const found = (await whole.stageAt?.(source.at.stage, source.values)) ?? whole;
  if (isSearchDescription(found)) return found;
  const { alone = 'that trained no supernet' } = found;
  throw new ArgumentError(`${source.directory} is a search by ${method.name} ${alone}`);
}

/** Takes over what the search has left; the weights' momentum begins anew, alpha's moments go on. */
export async function takeOver(
  { parameters }: Pick<SupernetTraining<AlternatingSettings>, 'parameters'>,
  { checkpoint }: Pick<SourceRun, 'checkpoint'>,
): Promise<void> {
  const file = await openParameterFile(checkpoint);
  await file.into({ supernet: { parameters, optimizer: true } });
  await parameters.write(new Map([['momentum', new Float32Array(parameters.map.totals.weight)]]));
}
