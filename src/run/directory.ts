import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ArgumentError, FileError } from '../errors.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { formatGenotype } from '../genotype/text.ts';
import { removeDrafts, writeFileAtomic } from '../io/atomic.ts';
import { fileError, isMissing } from '../io/file_error.ts';
import { drawGenotype } from '../report/draw.ts';
import { parseConfig, type RunConfig, runNames } from './config.ts';
import { type Lock, takeLock } from './lock.ts';

/** The files of a run directory. */
export interface RunFiles {
  readonly directory: string;
  readonly config: string;
  readonly metrics: string;
  readonly checkpoint: string;
  /** The weights of a finished training. */
  readonly weights: string;
  readonly genotype: string;
  readonly python: string;
  readonly cells: string;
}

/** The paths of a run directory's files. */
export function runFiles(directory: string): RunFiles {
  return {
    directory,
    config: join(directory, 'config.json'),
    metrics: join(directory, 'metrics.jsonl'),
    checkpoint: join(directory, 'checkpoint.safetensors'),
    weights: join(directory, 'weights.safetensors'),
    genotype: join(directory, 'genotype.json'),
    python: join(directory, 'genotype.txt'),
    cells: join(directory, 'cells.svg'),
  };
}

/** The files of a run that is to begin; touches nothing. Throws FileError when the folder holds a run already. */
export async function planRunDirectory(directory: string): Promise<RunFiles> {
  let names: string[] = [];
  try {
    names = await readdir(directory);
  } catch (error) {
    if (!isMissing(error)) throw fileError('write', directory, error);
  }
  if (names.some((name) => ['config.json', 'metrics.jsonl', 'checkpoint.safetensors'].includes(name))) {
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
async function makeFolders(path: string): Promise<void> {
  if (existsSync(path)) return;
  await makeFolders(dirname(path));
  await makeFolder(path);
}

/** Of several that make one folder at once one succeeds. */
async function makeFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
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
    await planRunDirectory(directory);
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
    return lock;
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Writes config.json. Throws FileError. */
export async function writeConfig(files: RunFiles, config: RunConfig): Promise<void> {
  await writeFileAtomic(files.config, `${JSON.stringify(config, null, 2)}\n`);
}

/** Reads the folder of an interrupted run. Throws FileError when it holds none of the kind or its configuration is damaged. */
export async function openRunDirectory<Config extends RunConfig>(
  directory: string,
  kind: Config['kind'],
): Promise<{ files: RunFiles; config: Config }> {
  const files = runFiles(directory);
  const config = await readConfig(files);
  if (config.kind !== kind) {
    throw new FileError(
      `${directory} expected a ${runNames[kind]} but holds a ${runNames[config.kind]}: dartsmith ${config.kind} --resume goes on with it`,
    );
  }
  return { files, config: config as Config };
}

/** Reads config.json and changes nothing, so that a run may go on meanwhile. Throws FileError as above. */
export async function readConfig(files: RunFiles): Promise<RunConfig> {
  let text: string;
  try {
    text = await readFile(files.config, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR')
      throw new FileError(`${files.directory} is a file: expected the folder of a run`);
    if (!isMissing(error)) throw fileError('read', files.config, error);
    throw new FileError(`${files.directory} holds no run: there is no config.json`);
  }
  return parseConfig(text, files.config);
}

/** Undefined for cells that the published form has no words for: nodes of other than two edges. */
function pythonForm(genotype: Genotype): string | undefined {
  try {
    return formatGenotype(genotype, 'python');
  } catch (error) {
    if (error instanceof ArgumentError) return undefined;
    throw error;
  }
}

/** Writes the genotype in its JSON form, in its Python form for the published programs, and as a picture. */
export async function writeGenotype(files: RunFiles, genotype: Genotype): Promise<void> {
  await writeFileAtomic(files.genotype, `${formatGenotype(genotype, 'json')}\n`);
  const python = pythonForm(genotype);
  if (python !== undefined) await writeFileAtomic(files.python, `${python}\n`);
  await writeFileAtomic(files.cells, await drawGenotype(genotype, 'svg'));
}
