import { access } from 'node:fs/promises';
import type { Parameters } from '../backend/parameters.ts';
import { FileError } from '../errors.ts';
import { fileError, isMissing } from '../io/file_error.ts';
import type { Position } from './metrics.ts';
import type { Validation } from './work.ts';

/** How far a run is, beside its parameters. */
export interface Progress extends Position {
  /** Over the epoch's training images so far. */
  readonly lossSum: number;
  readonly correct: number;
  readonly updates: number;
  /** Of the last finished epoch. */
  readonly validation?: Validation;
}

/** What a run trains, and the averages of it that some keep. */
export interface TrainedParameters {
  readonly parameters: Parameters;
  readonly averages?: Parameters;
}

/** Where every run starts. */
export const initialProgress: Progress = { epoch: 0, step: 0, lossSum: 0, correct: 0, updates: 0 };

/** Writes parameters, optimiser state, progress and more metadata as one file; equal states give equal bytes. Throws FileError. */
export async function saveCheckpoint(
  path: string,
  { parameters, averages }: TrainedParameters,
  progress: Progress,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await parameters.save(path, { optimizer: true, averages, metadata: { ...metadata, ...toMetadata(progress) } });
}

/**
 * Loads what {@link saveCheckpoint} wrote into the parameters and returns the progress; absent when there is no file.
 * Throws FileError when the file is damaged or of another run.
 */
export async function loadCheckpoint(
  path: string,
  { parameters, averages }: TrainedParameters,
  { epochs, steps }: { readonly epochs: number; readonly steps: number },
): Promise<Progress | undefined> {
  if (!(await exists(path))) return undefined;
  const { metadata, optimizer } = await parameters.load(path, { averages });
  if (!optimizer) throw new FileError(`${path} is no checkpoint of a run: expected optimiser state`);
  const progress = fromMetadata(metadata, path);
  const { epoch, step, updates, validation } = progress;
  const consistent = epoch < epochs ? step <= steps : epoch === epochs && step === 0;
  if (!consistent || updates !== epoch * steps + step || epoch > 0 !== (validation !== undefined)) {
    throw new FileError(
      `${path} does not fit its run: epoch ${epoch}, step ${step} of ${epochs} epochs of ${steps} steps`,
    );
  }
  return progress;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw fileError('read', path, error);
  }
}

/** Decimal strings as JavaScript prints them, which give the same double back. */
function toMetadata({ epoch, step, lossSum, correct, updates, validation }: Progress): Record<string, string> {
  return {
    epoch: String(epoch),
    step: String(step),
    loss_sum: String(lossSum),
    correct: String(correct),
    updates: String(updates),
    ...(validation && {
      validation_loss: String(validation.loss),
      validation_accuracy: String(validation.accuracy),
      ...(validation.top5 !== undefined && { validation_top5: String(validation.top5) }),
    }),
  };
}

function fromMetadata(metadata: Readonly<Record<string, string>>, path: string): Progress {
  const number = (name: string): number => {
    const value = Number.parseFloat(metadata[name]);
    if (String(value) === metadata[name] && value >= 0) return value;
    throw new FileError(`${path} is damaged: expected a number for the metadata ${name} but got ${metadata[name]}`);
  };
  const integer = (name: string): number => {
    if (Number.isSafeInteger(number(name))) return number(name);
    throw new FileError(`${path} is damaged: expected an integer for the metadata ${name} but got ${metadata[name]}`);
  };
  return {
    epoch: integer('epoch'),
    step: integer('step'),
    lossSum: number('loss_sum'),
    correct: integer('correct'),
    updates: integer('updates'),
    ...('validation_loss' in metadata && {
      validation: {
        loss: number('validation_loss'),
        accuracy: number('validation_accuracy'),
        ...('validation_top5' in metadata && { top5: number('validation_top5') }),
      },
    }),
  };
}
