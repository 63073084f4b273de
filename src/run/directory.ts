import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FileError } from '../errors.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { formatGenotype, originalForm } from '../genotype/text.ts';
import { removeDrafts, writeFileAtomic } from '../io/atomic.ts';
import { errorCode, fileError, isMissing } from '../io/file_error.ts';
import { readSmallFile } from '../io/small_file.ts';
import type { Method, RunCommand } from '../methods/method.ts';
import { methods as builtInMethods } from '../methods/registry.ts';
import { drawGenotype } from '../report/draw.ts';
import { parseConfig, type RunConfig, runNames } from './config.ts';
import { type Lock, takeLock } from './lock.ts';

/** The files of a run directory. */
export interface RunFiles {
  readonly directory: string;
  readonly config: string;
  readonly journal: string;
  readonly checkpoint: string;
  /** The weights of a finished training. */
  readonly weights: string;
  readonly genotype: string;
  readonly python: string;
  readonly cells: string;
  /** The words of a text. */
  readonly vocabulary: string;
}

/** The paths of a run directory's files. */
export function runFiles(directory: string): RunFiles {
  return {
    directory,
    config: join(directory, 'config.json'),
    journal: join(directory, 'journal.jsonl'),
    checkpoint: join(directory, 'checkpoint.safetensors'),
    weights: join(directory, 'weights.safetensors'),
    genotype: join(directory, 'genotype.json'),
    python: join(directory, 'genotype.txt'),
    cells: join(directory, 'cells.svg'),
    vocabulary: join(directory, 'vocabulary.json'),
  };
}

/** A checkpoint that was kept: of a stage, when so many epochs lay behind it. */
export function snapshotFile(directory: string, stage: string, epochs: number): string {
  return join(directory, 'snapshots', stage, `epoch-${String(epochs).padStart(4, '0')}.safetensors`);
}

/** Where the training that follows a search lies: a run of its own within that of the search. */
export function trainingDirectory(directory: string): string {
  return join(directory, 'train');
}

/** The files of a run that is to begin; touches nothing. Throws FileError when the folder holds a run already. */
export async function freeRunFiles(directory: string): Promise<RunFiles> {
  let names: string[] = [];
  try {
    names = await readdir(directory);
  } catch (error) {
    if (!isMissing(error)) throw fileError('write', directory, error);
  }
  if (names.some((name) => ['config.json', 'journal.jsonl', 'checkpoint.safetensors'].includes(name))) {
    throw new FileError(`${directory} holds a run already: resume it, or choose another folder for a new run`);
  }
  return runFiles(directory);
}

/** Makes a folder that was not there: `base`, or where that is taken `base-2` and so on. Throws FileError. */
export async function makeRunDirectory(base: string, tries = 3): Promise<string> {
  try {
    await makeFolders(dirname(base));
    for (let count = 1; ; count++) {
      const directory = count === 1 ? base : `${base}-${count}`;
      if (await makeFolder(directory)) return directory;
    }
  } catch (error) {
    // A run that never began may have taken the empty folder around it away.
    if (isMissing(error) && tries > 1) return makeRunDirectory(base, tries - 1);
    throw fileError('write', base, error);
  }
}

/** Makes a folder where there is none, and those around it. Not by `recursive`, which never comes back from below /proc. */
export async function makeFolders(path: string): Promise<void> {
  if (existsSync(path)) return;
  await makeFolders(dirname(path));
  await makeFolder(path);
}

/** Makes a folder; false where there is one. Of several that make one at once one succeeds. */
export async function makeFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Makes the folder of a new run, takes hold of it and writes config.json. Throws FileError. */
export async function beginRun(files: RunFiles, config: RunConfig): Promise<Lock> {
  const { directory } = files;
  await makeFolders(directory).catch((error: unknown) => {
    throw fileError('write', directory, error);
  });
  const lock = await holdRun(files);
  try {
    // Again: another run may have begun there while this one read its images.
    await freeRunFiles(directory);
    await writeConfig(files, config);
    return lock;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Takes hold of a run directory, and sweeps what a killed writer left. Throws FileError that names who holds it. */
export async function holdRun({ directory }: RunFiles): Promise<Lock> {
  const lock = await takeLock(directory);
  try {
    await removeDrafts(directory);
    for (const folder of await stageFolders(directory)) await removeDrafts(folder);
    return lock;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Where stages that have ended left what they did, as far as they came with it. */
async function stageFolders(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(directory, name));
}

/** Writes config.json. Throws FileError. */
export async function writeConfig(files: RunFiles, config: RunConfig): Promise<void> {
  await writeFileAtomic(files.config, `${JSON.stringify(config, null, 2)}\n`);
}

/** A run directory that was read. */
export interface RecordedRun {
  readonly files: RunFiles;
  readonly config: RunConfig;
  readonly method: Method;
}

/** Reads the folder of an interrupted run. Throws FileError when it holds none of the command or its configuration is damaged. */
export async function openRunDirectory(
  directory: string,
  command: RunCommand,
  methods: readonly Method[],
): Promise<RecordedRun> {
  const run = await readRun(directory, methods);
  if (run.config.command === command) return run;
  throw new FileError(
    `${directory} expected a ${runNames[command]} but holds a ${runNames[run.config.command]}: dartsmith ${run.config.command} --resume goes on with it`,
  );
}

/** Those of a few stages before it are in it, each at most as long as a line of a journal. */
const mostConfigBytes = 2 ** 26;

/** Reads config.json and changes nothing, so that a run may go on meanwhile. Throws FileError as above. */
export async function readRun(directory: string, methods: readonly Method[] = builtInMethods): Promise<RecordedRun> {
  const files = runFiles(directory);
  let text: string;
  try {
    text = await readSmallFile(files.config, mostConfigBytes);
  } catch (error) {
    if (errorCode(error) === 'ENOTDIR')
      throw new FileError(`${files.directory} is a file: expected the folder of a run`);
    if (!isMissing(error)) throw fileError('read', files.config, error);
    throw new FileError(`${files.directory} holds no run: there is no config.json`);
  }
  return { files, ...parseConfig(text, files.config, methods) };
}

/** Writes the genotype in its JSON form, in its Python form for the published programs, and as a picture. */
export async function writeGenotype(files: RunFiles, genotype: Genotype): Promise<void> {
  await writeFileAtomic(files.genotype, `${formatGenotype(genotype, 'json')}\n`);
  const python = originalForm(genotype);
  // One that a former epoch left would say what is no longer so.
  if (python === undefined) await rm(files.python, { force: true });
  else await writeFileAtomic(files.python, `${python}\n`);
  await writeFileAtomic(files.cells, await drawGenotype(genotype, 'svg'));
}
