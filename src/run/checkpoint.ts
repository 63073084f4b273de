import { openParameterFile, saveParameterSets } from '../backend/parameter_sets.ts';
import { FileError } from '../errors.ts';
import { exists } from '../io/file_error.ts';
import { type JsonValue, type MethodRun, type Position, stepsOf } from '../methods/method.ts';

/** Where every run starts. */
export const firstPosition: Position = { stage: 0, epoch: 0, step: 0, updates: 0 };

/** The values that a run begins with, in the order in which checkpoints have them. */
export type FirstValues = readonly string[];

/** Writes what a run trains, its optimiser state, values and position as one file; equal states give equal bytes. Throws FileError. */
export async function saveCheckpoint(
  path: string,
  { state, metadata }: Pick<MethodRun, 'state' | 'metadata'>,
  at: Position,
  first: FirstValues,
): Promise<void> {
  await saveParameterSets(path, state.parameters, { ...metadata, ...toMetadata(at, state.values, first) });
}

/**
 * Loads what {@link saveCheckpoint} wrote into a run's state and returns its position; absent when there is no file. Throws FileError when
 * the file is damaged or of another run.
 */
export async function loadCheckpoint(path: string, run: MethodRun): Promise<Position | undefined> {
  if (!(await exists(path))) return undefined;
  const { metadata, optimizer, into } = await openParameterFile(path);
  if (!optimizer) throw new FileError(`${path} is no checkpoint of a run: expected optimiser state`);
  const at = positionOf(metadata, path);
  for (const [name, text] of Object.entries(metadata)) {
    if (Object.hasOwn(firstPosition, name) || Object.hasOwn(run.metadata ?? {}, name)) continue;
    run.state.values[name] = readValue(name, text, path);
  }
  const stage = await run.stage(at.stage);
  const { epoch, step, updates } = at;
  const fits = stage && (epoch < stage.epochs ? step <= stepsOf(stage, epoch) : epoch === stage.epochs && step === 0);
  if (!fits || updates < step) {
    const whole = stage === undefined ? 'no such stage' : `${stage.epochs} epochs of ${stage.steps} steps`;
    throw new FileError(`${path} does not fit its run: epoch ${epoch}, step ${step} of ${whole}`);
  }
  // The stage may have put other sets in the place of those before.
  await into(run.state.parameters);
  return at;
}

/** Where a checkpoint stands, and its values, before anything is loaded. Throws FileError. */
export async function readCheckpointHead(
  path: string,
): Promise<{ readonly at: Position; readonly values: Readonly<Record<string, JsonValue>> }> {
  const { metadata } = await openParameterFile(path);
  const values = Object.entries(metadata).filter(([name]) => !Object.hasOwn(firstPosition, name));
  return {
    at: positionOf(metadata, path),
    values: Object.fromEntries(values.map(([name, text]) => [name, readValue(name, text, path)])),
  };
}

/**
 * Numbers as JavaScript prints them, which give the same double back. The updates stand behind the values that a run begins with, as
 * they did when those were written out here: the bytes of files that were written then are those of today.
 */
function toMetadata(
  { stage, epoch, step, updates }: Position,
  values: Readonly<Record<string, JsonValue>>,
  first: FirstValues,
): Record<string, string> {
  const texts = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, JSON.stringify(value)]));
  return {
    ...(stage > 0 && { stage: String(stage) }),
    ...{ epoch: String(epoch), step: String(step) },
    ...Object.fromEntries(first.map((name) => [name, texts[name]])),
    updates: String(updates),
    ...texts,
  };
}

function positionOf(metadata: Readonly<Record<string, string>>, path: string): Position {
  const integer = (name: keyof Position): number => {
    const value = Number.parseFloat(metadata[name]);
    if (String(value) === metadata[name] && value >= 0 && Number.isSafeInteger(value)) return value;
    throw new FileError(`${path} is damaged: expected an integer for the metadata ${name} but got ${metadata[name]}`);
  };
  return {
    stage: 'stage' in metadata ? integer('stage') : 0,
    ...{ epoch: integer('epoch'), step: integer('step'), updates: integer('updates') },
  };
}

function readValue(name: string, text: string, path: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    throw new FileError(`${path} is damaged: expected JSON for the metadata ${name} but got ${text}`);
  }
}
