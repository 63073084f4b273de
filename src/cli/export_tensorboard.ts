// `dartsmith export --format tensorboard RUN`: the event file of a run, made afterwards.
import { ArgumentError } from '../errors.ts';
import { exportTensorboard } from '../run/tensorboard_export.ts';
import { flagOf } from './options.ts';
import { quoted } from './shell.ts';

/** As --format names it. */
export const tensorboardFormat = 'tensorboard';

/** Writes the event file; `others` are options that were given beside run and folder. Throws ArgumentError for any. */
export async function runTensorboardExport(
  run: string | undefined,
  out: string,
  others: Readonly<Record<string, unknown>>,
): Promise<void> {
  const surplus = Object.keys(others).find((name) => others[name] !== undefined);
  if (surplus !== undefined)
    throw new ArgumentError(`${flagOf(surplus)} is for networks: leave it out of a run's export`);
  if (run === undefined) throw new ArgumentError('expected a run directory: dartsmith export --format tensorboard RUN');
  const { files, problems } = await exportTensorboard(run, { out });
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  for (const file of files) process.stdout.write(`wrote ${file}\n`);
  process.stdout.write(`look at it with: tensorboard --logdir ${quoted(out)}\n`);
}
