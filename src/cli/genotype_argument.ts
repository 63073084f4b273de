import { open, readFile, stat } from 'node:fs/promises';
import type { Command } from 'commander';
import { ArgumentError, FileError, invalid } from '../errors.ts';
import { isSafetensors } from '../exchange/open_tensors.ts';
import { isTorchFile, readPickledGenotype } from '../exchange/pickled_genotype.ts';
import { readStoredGenotype } from '../exchange/stored_genotype.ts';
import { withoutDeadNodes } from '../genotype/dead_nodes.ts';
import { hasStructure } from '../genotype/forms/nasbench201.ts';
import { hasNestedLists } from '../genotype/forms/nested_lists.ts';
import { isPython } from '../genotype/forms/python.ts';
import { emptyCells, type Genotype } from '../genotype/genotype.ts';
import { publishedGenotypes } from '../genotype/published.ts';
import { findGenotype, type ParseOptions, parseGenotype } from '../genotype/text.ts';
import { runFiles } from '../run/directory.ts';
import { suggestion } from '../suggest.ts';
import { integerParser } from './options.ts';
import { quoted } from './shell.ts';

/** How the help of a command describes its genotype argument. */
export const genotypeArgumentHelp =
  "a published name (draw --help lists them), Genotype(...), JSON (ours or NNI's) or NAS-Bench-201's text, " +
  "a file or log that holds either, weights that tell it, what StacNAS' code pickled, or a run directory";

const largestFileBytes = 1 << 26;

/** A genotype and, where it was searched by a run that the argument named, that run's directory. */
export interface GivenGenotype {
  readonly genotype: Genotype;
  readonly run?: string;
  /** File of the argument that has the network's weights too. */
  readonly weights?: string;
}

/** What commands take that build a genotype's network. */
export interface NetworkFlags {
  readonly dropDeadNodes?: boolean;
  /** Cells of the network, where that is known. */
  readonly layers?: number;
}

/** Adds the options of {@link NetworkFlags}. */
export function addNetworkOptions(command: Command): void {
  command.option(
    '--drop-dead-nodes',
    'of a genotype of triples: leave out nodes without a live source (default: they are refused)',
  );
}

/** Adds the number of cells to a command that learns it from weights otherwise. */
export function addLayersOption(command: Command): void {
  command.option(
    '--layers <number>',
    "of a cell file of CDARTS' authors whose stages differ: cells of its network (default: 20)",
    integerParser('--layers', 3),
  );
}

/** The genotype that an argument means, as it is built. */
export async function networkGenotype(
  argument: string,
  { dropDeadNodes = false, layers }: NetworkFlags,
): Promise<GivenGenotype> {
  const { genotype, run, weights } = await genotypeArgument(argument, toStderr, { layers });
  if (run !== undefined && emptyCells(genotype).length > 0) {
    throw new ArgumentError(
      `the genotype of ${run} has an empty cell, of which no network can be built: ` +
        `dartsmith select ${quoted(run)} tells which threshold would fill it`,
    );
  }
  return { genotype: dropDeadNodes ? withoutDeadNodes(genotype) : genotype, run, weights };
}

type Notice = (text: string) => void;

const toStderr: Notice = (text) => process.stderr.write(`${text}\n`);

/**
 * The genotype that a command line argument means: a published name, the text itself, a file or a run directory. Throws
 * ArgumentError where it is none of them, FileError where a file or a run holds no genotype. Tells `notice` which of a log's
 * genotypes it took.
 */
export async function genotypeArgument(
  argument: string,
  notice = toStderr,
  options: ParseOptions = {},
): Promise<GivenGenotype> {
  if (Object.hasOwn(publishedGenotypes, argument)) return { genotype: publishedGenotypes[argument] };
  if (
    /^\s*(\{|(\w+\s*=\s*)?Genotype\b)/.test(argument) ||
    [isPython, hasNestedLists, hasStructure].some((isOne) => isOne(argument))
  )
    return { genotype: parseGenotype(argument, options) };
  const found = await stat(argument).catch((error: NodeJS.ErrnoException) => error);
  if (found instanceof Error) {
    if (found.code !== 'ENOENT') throw new FileError(`cannot read ${argument}: ${found.message}`, { cause: found });
    const forms =
      'a published name such as DARTS_V2 (dartsmith draw --help lists them), Genotype(...) text, a file or a run directory';
    const { message } = invalid('the genotype', forms, argument);
    throw new ArgumentError(message + suggestion(argument, Object.keys(publishedGenotypes)));
  }
  if (!found.isDirectory()) {
    const read = await readerOf(argument);
    if (read !== undefined) {
      const { genotype, isNetwork } = await read(argument);
      return { genotype, ...(isNetwork && { weights: argument }) };
    }
    return { genotype: await readGenotypeFile(argument, found.size, notice, options) };
  }
  return { genotype: await readRunGenotype(argument, notice), run: argument };
}

/** What reads the genotype of a file that is no text, as its first bytes tell. */
async function readerOf(path: string): Promise<typeof readStoredGenotype | undefined> {
  const file = await open(path).catch((error: Error) => {
    throw new FileError(`cannot read ${path}: ${error.message}`, { cause: error });
  });
  try {
    const { buffer } = await file.read(new Uint8Array(16), 0, 16, 0);
    if (isSafetensors(buffer)) return readStoredGenotype;
    return isTorchFile(buffer) ? readPickledGenotype : undefined;
  } finally {
    await file.close();
  }
}

async function readRunGenotype(directory: string, notice: Notice): Promise<Genotype> {
  const file = runFiles(directory).genotype;
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) {
    throw new FileError(`${directory} holds no genotype.json: expected a run directory with at least one epoch done`);
  }
  return readGenotypeFile(file, found.size, notice, {});
}

async function readGenotypeFile(file: string, bytes: number, notice: Notice, options: ParseOptions): Promise<Genotype> {
  if (bytes > largestFileBytes) {
    throw new FileError(
      `${file} holds no genotype: expected at most ${largestFileBytes} bytes of text, found ${bytes}`,
    );
  }
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new FileError(`cannot read ${file}: ${error.message}`, { cause: error });
  });
  try {
    const { genotype, count, line } = findGenotype(text, options);
    if (count > 1) notice(`${file} holds ${count} genotypes: the last one, at line ${line}, is taken`);
    return genotype;
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    throw new FileError(`${file} holds no genotype: ${error.message}`, { cause: error });
  }
}
