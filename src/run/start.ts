import type { Genotype } from '../genotype/genotype.ts';
import { exists } from '../io/file_error.ts';
import type { Method, RunCommand } from '../methods/method.ts';
import { methods as builtIn } from '../methods/registry.ts';
import { runVersions } from './config.ts';
import { describeRun, type RunDescription } from './describe.ts';
import { runFiles, trainingDirectory, writeGenotype } from './directory.ts';
import type { RunEvent, SearchResult, TrainResult } from './events.ts';
import { type Emit, record, runToEnd } from './loop.ts';
import { type OpenRun, withRun } from './open.ts';
import type { MethodOptions } from './options.ts';
import { type Run, startRun } from './run.ts';

/** Begins or resumes a run of a command. Every error, of options too, comes through the run. */
export function startMethod(
  command: RunCommand,
  options: MethodOptions,
  methods: readonly Method[] = builtIn,
): Run<RunEvent, SearchResult | TrainResult> {
  return startRun((emit) => runMethod(command, options, methods, emit));
}

async function runMethod(
  command: RunCommand,
  options: MethodOptions,
  methods: readonly Method[],
  emit: Emit,
): Promise<SearchResult | TrainResult> {
  return runDescribed(await describeRun(command, options, methods), methods, emit);
}

/** Takes a run, and the training that follows it, to the end. */
export async function runDescribed(
  description: RunDescription,
  methods: readonly Method[],
  emit: Emit,
): Promise<SearchResult | TrainResult> {
  const result = await withRun(description, methods, async (run) => {
    const { genotype } = description;
    // A training is given where a genotype is asked for, as a search is.
    if (run.log !== undefined && genotype !== undefined) await writeGenotype(run.log.files, genotype);
    await recordStart(run);
    emit(run.start);
    await runToEnd(run, emit);
    return finish(run);
  });
  if (description.training === undefined) return result;
  const next = await trainingRun(description, result.genotype);
  const training = (await runMethod('train', next, methods, emit)) as TrainResult;
  return { ...(result as SearchResult), training };
}

/** Options of the training that follows a search, or of its resumption where it has begun. */
async function trainingRun(
  { files, training, runtime, dataset, dataDir, imageSize, colourProfile }: RunDescription,
  genotype: Genotype,
): Promise<MethodOptions> {
  const directory = files && trainingDirectory(files.directory);
  const place = { ...runtime, dataDir };
  if (directory !== undefined && (await exists(runFiles(directory).config))) {
    return { ...place, resume: directory, ...(typeof dataset === 'object' && { dataset }) };
  }
  return { ...place, dataset, imageSize, colourProfile, ...training, genotype, out: directory };
}

async function recordStart(run: OpenRun): Promise<void> {
  const { directory: _, resumed, ...start } = run.start;
  const { settings } = run.description;
  const { epoch, step } = run.at;
  const time = new Date().toISOString();
  const told = { settings, versions: runVersions(), time, epoch, step, resumed: resumed !== undefined };
  await record(run, { ...start, ...told });
}

/** The genotype in the directory is then what the run came to, which need not be that of the last epoch. */
async function finish(run: OpenRun): Promise<SearchResult | TrainResult> {
  const { log, running, unreadableImages, at } = run;
  const { genotype, architectures, mixing, scores, weights, notices } = await running.result();
  if (log !== undefined && weights !== undefined) {
    await weights.save(log.files.weights, { metadata: running.metadata });
  }
  if (log !== undefined) await writeGenotype(log.files, genotype);
  const found = {
    genotype,
    ...(architectures !== undefined && { architectures }),
    ...(mixing !== undefined && { mixing }),
    ...scores,
    ...(running.takeUnreadable !== undefined && { unreadableImages }),
    ...(notices !== undefined && { notices }),
  };
  // The scores are those that the command's results have.
  await record(run, { type: 'result', epoch: at.epoch, ...(found as unknown as SearchResult) });
  return { ...(found as unknown as SearchResult), directory: log?.files.directory };
}
