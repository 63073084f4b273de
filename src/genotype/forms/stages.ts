// Cell files of CDARTS' authors (arXiv:2006.10724): {"0": "Genotype(...)", "1": ..., "2": ...}, a genotype for each stage of a network.
import { isDeepStrictEqual } from 'node:util';
import { anInteger, check } from '../../checks.ts';
import { ArgumentError } from '../../errors.ts';
import { duplicateKey } from '../../io/json_keys.ts';
import type { Genotype, GenotypeByCell, GenotypeByType, GenotypeCell } from '../genotype.ts';
import { formatPython, readPython } from './python.ts';

const keys = ['0', '1', '2'];

/** Cells of the network that the stages of a file are those of, where nobody says: that of the published retraining on CIFAR-10. */
const usualCells = 20;
/** Below 3 a network has no three stages, below 5 one of them nothing but a reduction. */
const depths = anInteger(3, 1000);
const leastCells = 5;

const firstKey = /^\s*\{\s*"[0-2]"\s*:/;

/** Whether a text is such a file. */
export function isStages(text: string): boolean {
  return firstKey.test(text);
}

/**
 * Reads one. Stages that agree, in what the network has of them, are one genotype; of others it gives one of every cell of the network with
 * so many `layers`: of 20 seven in the first two stages and six in the last, of 14 five, five and four. Throws ArgumentError that names the
 * stage at fault.
 */
export function readStages(text: string, layers = usualCells): Genotype {
  check('layers', layers, depths);
  const [first, ...others] = textsOf(text).map(readStage);
  // The last cell of each stage but the last one reduces.
  const agree = others.every(
    ({ normal, reduce }, index) =>
      isDeepStrictEqual(normal, first.normal) &&
      (index === others.length - 1 || isDeepStrictEqual(reduce, first.reduce)),
  );
  return agree ? { normal: first.normal, reduce: first.reduce } : { cells: spreadOver([first, ...others], layers) };
}

/**
 * Writes one, of a genotype by type or of every cell of a network whose cells of a kind and stage are alike; where nothing reduces, in the last
 * stage, what the one before reduces by. Throws ArgumentError for any other.
 */
export function formatStages(genotype: Genotype): string {
  const stages = genotype.cells === undefined ? Array<Genotype>(keys.length).fill(genotype) : stagesOf(genotype);
  return JSON.stringify(Object.fromEntries(keys.map((key, index) => [key, formatPython(stages[index], true)])));
}

function stagesOf({ cells, entries }: GenotypeByCell): GenotypeByType[] {
  const { length: layers } = cells;
  const [first, second] = endsOf(layers);
  const stages = [0, first + 1, second + 1].map((begin, index) => ({
    normal: cells[begin],
    reduce: cells[index === 0 ? first : second],
    entries,
  }));
  if (layers >= leastCells && isDeepStrictEqual(spreadOver(stages, layers), cells)) return stages;
  throw new ArgumentError(
    "a cell file of CDARTS' authors has three stages, in each of which cells of a kind are alike",
  );
}

/** Where the stages of a network end, at a third and at two thirds of it. */
function endsOf(layers: number): number[] {
  return [1, 2].map((third) => Math.floor((third * layers) / 3));
}

/** The cells of a network by its stages. */
function spreadOver(stages: readonly GenotypeByType[], layers: number): GenotypeCell[] {
  const ends = endsOf(layers);
  return Array.from({ length: layers }, (_, index) => {
    const stage = stages[ends.filter((end) => index > end).length];
    return ends.includes(index) ? stage.reduce : stage.normal;
  });
}

function textsOf(text: string): string[] {
  const value = parse(text);
  const twice = duplicateKey(text);
  if (twice !== undefined) throw new ArgumentError(`genotype: expected every stage once but found "${twice}" twice`);
  const found = Object.keys(value);
  if (found.length !== keys.length || !keys.every((key) => found.includes(key))) {
    throw new ArgumentError(
      `genotype: expected the stages "0", "1" and "2" but found "${found.join('", "').slice(0, 80)}"`,
    );
  }
  return keys.map((key) => {
    const stage = value[key];
    if (typeof stage === 'string') return stage;
    throw new ArgumentError(`genotype: expected the text of a genotype for stage "${key}" but found ${typeof stage}`);
  });
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    // It begins with a brace, so that it is an object or no JSON.
    return JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    throw new ArgumentError(`genotype: expected JSON with a text a stage: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function readStage(text: string, index: number): GenotypeByType {
  const { genotype, count } = read(text, index);
  if (count === 1 && genotype.normal !== undefined && genotype.entries === undefined) return genotype;
  throw new ArgumentError(`genotype: expected one genotype of pairs for stage "${keys[index]}" but found another`);
}

function read(text: string, index: number): ReturnType<typeof readPython> {
  try {
    return readPython(text);
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    throw new ArgumentError(`stage "${keys[index]}" of the ${error.message}`, { cause: error });
  }
}
