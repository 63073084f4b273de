// A run of a protocol: an ordinary run in a folder of its own, so that it goes on where it was, and is not done twice.
import { DivergedError, FileError } from '../errors.ts';
import { exists } from '../io/file_error.ts';
import type { Method, RunCommand } from '../methods/method.ts';
import { runNames } from '../run/config.ts';
import { describeRun } from '../run/describe.ts';
import { openRunDirectory, runFiles } from '../run/directory.ts';
import type { RunEvent, SearchResult, TrainResult } from '../run/events.ts';
import { readJournal } from '../run/journal.ts';
import type { MethodOptions } from '../run/options.ts';
import { differenceFrom } from '../run/recorded.ts';
import { startMethod } from '../run/start.ts';

/** A run that a protocol wants. */
export interface Part {
  readonly command: RunCommand;
  readonly directory: string;
  /** All that it is told but where it is done. */
  readonly options: MethodOptions;
}

/** Options that say where and how a run is done. */
export type PartRuntime = Pick<MethodOptions, 'device' | 'workers' | 'signal' | 'checkpointSeconds' | 'tensorboard'>;

/** What a run in a folder came to; undefined where it is not done, or has not begun. Throws FileError for another run than is wanted. */
export async function resultOfPart(
  { command, directory, options }: Part,
  methods: readonly Method[],
): Promise<SearchResult | TrainResult | undefined> {
  const files = runFiles(directory);
  if (!(await exists(files.config))) return undefined;
  const { config } = await openRunDirectory(directory, command, methods);
  const difference = differenceFrom(config, await describeRun(command, options, methods));
  if (difference !== undefined) {
    throw new FileError(
      `${directory} holds a ${runNames[command]} with ${difference}: choose another folder (--out), or delete what lies there`,
    );
  }
  if (!(await exists(files.journal))) return undefined;
  for await (const record of readJournal(directory)) if (record.type === 'result') return record;
  return undefined;
}

/** Begins a run or goes on with it, to its end. Rejects with what stopped it. */
export async function finishPart(
  { command, directory, options }: Part,
  runtime: PartRuntime,
  methods: readonly Method[],
  emit: (event: RunEvent) => void,
): Promise<SearchResult | TrainResult> {
  const isBegun = await exists(runFiles(directory).config);
  const { dataset, dataDir, space } = options;
  // A run that goes on has fixed the rest.
  const given = {
    ...(typeof dataset === 'object' && { dataset }),
    ...(typeof space === 'object' && { space }),
    ...(dataDir !== undefined && { dataDir }),
  };
  const run = startMethod(
    command,
    isBegun ? { ...runtime, ...given, resume: directory } : { ...options, ...runtime, out: directory },
    methods,
  );
  for await (const event of run) emit(event);
  return run.result;
}

/** Whether an error says that a run came to nothing, rather than that it could not be done: such a one would end so again. */
export function isOutcome(error: unknown): error is DivergedError {
  return error instanceof DivergedError;
}
