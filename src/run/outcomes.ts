// What the stages of a run came to, read from its journal alone: another run may begin with it.
import { FileError } from '../errors.ts';
import type { Method, RunOutcomes } from '../methods/method.ts';
import { readRun } from './directory.ts';
import { readJournal } from './journal.ts';

/** Reads what the stages of a run of `method` came to. Throws FileError for a run of another method, and where no stage has ended. */
export async function readOutcomes(
  directory: string,
  method: Method,
  methods: readonly Method[],
): Promise<RunOutcomes> {
  const { config } = await readRun(directory, methods);
  if (config.method !== method.name || config.command !== method.command) {
    throw new FileError(`${directory} is a ${config.command} by ${config.method}: expected one by ${method.name}`);
  }
  const stages: Record<string, RunOutcomes['stages'][string]> = {};
  for await (const record of readJournal(directory)) {
    if (record.type === 'outcome') stages[record.name] = record.outcome;
  }
  if (Object.keys(stages).length === 0) {
    throw new FileError(`no stage of ${directory} has ended yet: go on with it first, by --resume`);
  }
  return { directory, ...(config.space !== undefined && { space: config.space.name }), stages };
}
