// The training of an edge's candidate: an ordinary run in a folder of its own, so that it goes on where it was.
import type { Device } from '../backend/device.ts';
import { deviceChoice } from '../backend/open.ts';
import { FileError } from '../errors.ts';
import { exists } from '../io/file_error.ts';
import type { Method } from '../methods/method.ts';
import { describeRun } from './describe.ts';
import { openRunDirectory, runFiles } from './directory.ts';
import type { TrainEvent, TrainResult } from './events.ts';
import { readJournal } from './journal.ts';
import type { MethodOptions } from './options.ts';
import { differenceFrom } from './recorded.ts';
import { startMethod } from './start.ts';

/** A training, and how far it is on the disk. */
export interface CandidateTraining {
  readonly directory: string;
  readonly options: MethodOptions;
  /** Whether there is a run to go on with. */
  readonly isBegun: boolean;
  /** What it came to, where it is done. */
  readonly result?: TrainResult;
}

/**
 * Looks at what lies in the folder of a training. Throws ArgumentError for options that make no sense, and FileError for a run of another kind
 * or with other settings.
 */
export async function findTraining(
  directory: string,
  options: MethodOptions,
  methods: readonly Method[],
): Promise<CandidateTraining> {
  const description = await describeRun('train', options, methods);
  const files = runFiles(directory);
  if (!(await exists(files.config))) return { directory, options, isBegun: false };
  const { config } = await openRunDirectory(directory, 'train', methods);
  const difference = differenceFrom(config, description);
  if (difference !== undefined) {
    throw new FileError(
      `${directory} holds a training with ${difference}: choose another folder (--out), or delete what lies there`,
    );
  }
  const result = (await exists(files.journal)) ? await readResult(directory) : undefined;
  return { directory, options, isBegun: true, result };
}

async function readResult(directory: string): Promise<TrainResult | undefined> {
  for await (const record of readJournal(directory)) {
    if (record.type === 'result' && 'testAccuracy' in record) return record;
  }
  return undefined;
}

/** Begins a training or goes on with it, to its end. Rejects with what stopped it. */
export async function finishTraining(
  { directory, options, isBegun }: CandidateTraining,
  device: Device,
  methods: readonly Method[],
  emit: (event: TrainEvent) => void,
): Promise<TrainResult> {
  const { dataset, dataDir, workers, signal, checkpointSeconds } = options;
  const runtime = { device, workers, signal, checkpointSeconds };
  // A run that goes on has fixed the rest.
  const fixed = { ...runtime, dataDir, dataset: typeof dataset === 'object' ? dataset : undefined, resume: directory };
  // The device is there: none is chosen.
  const fresh = { ...options, ...deviceChoice({}), ...runtime, out: directory };
  const run = startMethod('train', isBegun ? fixed : fresh, methods);
  // Of a training: its events and its result are these.
  for await (const event of run) emit(event as TrainEvent);
  return (await run.result) as TrainResult;
}
