// The search whose supernet another run goes on with.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { RunData } from '../data/run_data.ts';
import { ArgumentError, FileError } from '../errors.ts';
import { exists, fileError } from '../io/file_error.ts';
import type { Method, MethodContext, SourceRun } from '../methods/method.ts';
import { methodsOf } from '../methods/registry.ts';
import type { SearchSpace } from '../space/space.ts';
import { readCheckpointHead } from './checkpoint.ts';
import { graphDigest, type RecordedSource } from './config.ts';
import { type RecordedRun, readRun, snapshotFile } from './directory.ts';
import { readRecordedStages } from './recorded_space.ts';
import { stageNamed } from './stages.ts';

/** A search that was read, and what of it a run's configuration keeps. */
export interface FoundSource {
  readonly run: RecordedRun;
  /** Name of the stage. */
  readonly stage: string;
  readonly recorded: RecordedSource;
}

/** Reads a search, and the checkpoint of a stage of it, the last when none is wanted, or a snapshot of that. Throws FileError. */
export async function findSource(
  directory: string,
  { stage, epoch }: { readonly stage?: string; readonly epoch?: number },
  methods: readonly Method[],
): Promise<FoundSource> {
  const run = await readRun(directory, methods);
  const { config } = run;
  if (config.command !== 'search') throw new FileError(`${directory} is no search: there is no supernet to go on with`);
  const { name, files } = stageNamed(await readRecordedStages(directory), stage, 'last', directory);
  const checkpoint = resolve(epoch === undefined ? files.checkpoint : snapshotFile(directory, name, epoch));
  if (!(await exists(checkpoint))) {
    if (epoch !== undefined) {
      throw new FileError(`${directory} kept no snapshot of epoch ${epoch}: search --snapshot-epochs keeps some`);
    }
    throw new FileError(`${directory} holds no checkpoint yet: let the search come to the end of an epoch first`);
  }
  const { at, values } = await readCheckpointHead(checkpoint);
  const { method, settings, seed, space, before, graphs } = config;
  const digest = await digestOf(checkpoint);
  const recorded = {
    directory: resolve(directory),
    method,
    settings,
    seed,
    space,
    before,
    graphs,
    checkpoint,
    digest,
    at,
    values,
  };
  return { run, stage: name, recorded };
}

/** The same as methods see it. Throws ArgumentError where the search had a space of its own that is not given again. */
export function sourceRun(
  { directory, method, space: recorded, graphs: _, digest: __, ...source }: RecordedSource,
  space: string | SearchSpace | undefined,
  methods: readonly Method[],
): SourceRun {
  // As it was found when the configuration was read.
  const found = methodsOf('search', methods).find(({ name }) => name === method)!;
  if (recorded?.given && typeof space !== 'object') {
    throw new ArgumentError(
      `${directory} searched a space of its own, '${recorded.name}': give it as space, from a program`,
    );
  }
  return { ...source, directory, method: found, space: recorded?.given ? space : recorded?.name };
}

/** Holds a search to what it began with: its space may have changed since. Throws FileError. */
export async function checkSource(
  { directory, graphs }: Pick<RecordedSource, 'directory' | 'graphs'>,
  source: SourceRun,
  context: MethodContext<unknown, RunData>,
): Promise<void> {
  const { method, settings, seed, space = '', before } = source;
  const described = await method.describe({ ...context, settings: settings as never, seed, space, before });
  for (const [name, graph] of Object.entries(described.graphs)) {
    if (graphs[name] === graphDigest(graph)) continue;
    throw new FileError(`the ${name} of ${directory} is another now: its space or this version has changed since`);
  }
}

/** Holds the checkpoint that a run begins with to the one that it was begun with. Throws FileError, which ends with `then`. */
export async function checkSourceFile({ checkpoint, digest }: RecordedSource, then: string): Promise<void> {
  if ((await digestOf(checkpoint)) === digest) return;
  throw new FileError(`${checkpoint} has changed since the selection began with it: ${then}`);
}

async function digestOf(path: string): Promise<string> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw fileError('read', path, error);
  });
  return createHash('sha256').update(bytes).digest('hex');
}
