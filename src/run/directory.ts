import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileError } from '../errors.ts';
import { removeDrafts, writeFileAtomic } from '../io/atomic.ts';
import { fileError, isMissing } from '../io/file_error.ts';
import { formatGenotype, type Genotype } from '../network/genotype.ts';
import { drawGenotype } from '../report/draw.ts';
import { parseConfig, type RunConfig } from './config.ts';

/** The files of a run directory. */
export interface RunFiles {
  readonly directory: string;
  readonly config: string;
  readonly metrics: string;
  readonly checkpoint: string;
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
    genotype: join(directory, 'genotype.json'),
    python: join(directory, 'genotype.txt'),
    cells: join(directory, 'cells.svg'),
  };
}

/** Makes the folder of a new run. Throws FileError when it holds a run already or cannot be made. */
export async function createRunDirectory(directory: string): Promise<RunFiles> {
  const files = runFiles(directory);
  let names: string[];
  try {
    await mkdir(directory, { recursive: true });
    names = await readdir(directory);
  } catch (error) {
    throw fileError('write', directory, error);
  }
  if (names.some((name) => ['config.json', 'metrics.jsonl', 'checkpoint.safetensors'].includes(name))) {
    throw new FileError(`${directory} holds a run already: resume it, or choose another folder for a new run`);
  }
  await removeDrafts(directory);
  return files;
}

/** Opens the folder of an interrupted run. Throws FileError when it holds none or its configuration is damaged. */
export async function openRunDirectory(directory: string): Promise<{ files: RunFiles; config: RunConfig }> {
  const files = runFiles(directory);
  let text: string;
  try {
    text = await readFile(files.config, 'utf8');
  } catch (error) {
    if (!isMissing(error)) throw fileError('read', files.config, error);
    throw new FileError(`${directory} holds no run to resume: there is no config.json; start one there instead`);
  }
  const config = parseConfig(text, files.config);
  await removeDrafts(directory);
  return { files, config };
}

/** Writes config.json. */
export async function writeConfig(files: RunFiles, config: RunConfig): Promise<void> {
  await writeFileAtomic(files.config, `${JSON.stringify(config, null, 2)}\n`);
}

/** Writes the genotype in its JSON form, in its Python form for the published programs, and as a picture. */
export async function writeGenotype(files: RunFiles, genotype: Genotype): Promise<void> {
  await writeFileAtomic(files.genotype, `${formatGenotype(genotype, 'json')}\n`);
  await writeFileAtomic(files.python, `${formatGenotype(genotype, 'python')}\n`);
  await writeFileAtomic(files.cells, await drawGenotype(genotype, 'svg'));
}
