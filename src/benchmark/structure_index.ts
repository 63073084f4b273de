// The benchmark's numbers of cells: all of them as numbers in base 5, edge 0 first, in the order that Python shuffled them into.
import { anInteger, check } from '../checks.ts';
import { mt19937ByArray, shuffleAsPython } from '../random/mt19937.ts';
import {
  checkStructure,
  formatStructure,
  parseStructure,
  type Structure,
  structureEdges,
  structureOperations,
} from './structure.ts';

/** Cells of the benchmark: 15,625. */
export const structureCount = structureOperations.length ** structureEdges.length;

/** Of the benchmark's authors. */
const shuffleSeed = 88;

const anIndex = anInteger(0, structureCount - 1);

/** Cells as numbers in base 5 by index, and back. */
interface Order {
  readonly codes: readonly number[];
  readonly indices: Uint16Array;
}

let known: Order | undefined;

function order(): Order {
  if (known !== undefined) return known;
  const codes = Array.from({ length: structureCount }, (_, code) => code);
  shuffleAsPython(mt19937ByArray([shuffleSeed]), codes);
  const indices = new Uint16Array(structureCount);
  for (const [index, code] of codes.entries()) indices[code] = index;
  known = { codes, indices };
  return known;
}

/** A cell's index in the benchmark. Throws ArgumentError. */
export function structureIndex(structure: Structure): number {
  checkStructure('structure', structure);
  const code = structure.reduce((sum, name) => sum * structureOperations.length + structureOperations.indexOf(name), 0);
  return order().indices[code];
}

/** The cell of an index from 0 to 15,624. Throws ArgumentError. */
export function structureAt(index: number): Structure {
  check('index', index, anIndex);
  let code = order().codes[index];
  const digits = structureEdges.map(() => {
    const digit = code % structureOperations.length;
    code = (code - digit) / structureOperations.length;
    return digit;
  });
  return digits.reverse().map((digit) => structureOperations[digit]);
}

/** The index of a cell that is given as one, as a structure or as its string. Throws ArgumentError. */
export function indexOfCell(cell: Structure | string | number): number {
  if (typeof cell === 'string') return structureIndex(parseStructure(cell));
  if (typeof cell !== 'number') return structureIndex(cell);
  check('index', cell, anIndex);
  return cell;
}

let knownTexts: readonly string[] | undefined;

/** The strings of all cells by index. */
export function structureTexts(): readonly string[] {
  knownTexts ??= Array.from({ length: structureCount }, (_, index) => formatStructure(structureAt(index)));
  return knownTexts;
}
