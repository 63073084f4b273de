// Genotypes that are drawn, not searched: what searches of any space are compared with.
import { aSeed, check } from '../checks.ts';
import { ArgumentError } from '../errors.ts';
import { withoutDeadNodes } from '../genotype/dead_nodes.ts';
import { emptyCells, type Genotype, mapCells } from '../genotype/genotype.ts';
import { randomBlock } from '../random/philox.ts';
import type { RowsByTable } from './alpha.ts';
import type { Selectable } from './candidates.ts';
import { type SelectionOptions, selectGenotype } from './rules.ts';

/** A cell of triples may be empty, and is then drawn anew; more often than this only by a threshold that nothing reaches. */
const mostDraws = 1000;

/**
 * The genotype that a rule selects where every mixing weight is drawn by itself, evenly between 0 and 1: of pairs, of one cell and of a
 * recurrent one each that the space holds is as likely, where all edges have as many candidates; of triples an entry stays as often as a
 * weight reaches the threshold. Without dead nodes, and with an entry in every cell. Where candidates stand for several operations one of
 * `membersOf` is drawn, each as likely. Throws ArgumentError for what is no seed, no table or no rule of it, and for a threshold that leaves
 * cells empty.
 */
export function randomGenotype(
  selectable: Selectable,
  selection: SelectionOptions,
  seed: number,
  membersOf?: (candidate: string) => readonly string[],
): Genotype {
  check('seed', seed, aSeed);
  for (let draw = 0; draw < mostDraws; draw++) {
    const weights = drawnWeights(selectable, seed, draw);
    const genotype = withoutDeadNodes(selectGenotype(selectable, weights, selection, weights));
    if (emptyCells(genotype).length === 0) return membersOf ? withMembers(genotype, seed, membersOf) : genotype;
  }
  throw new ArgumentError(
    `of ${mostDraws} genotypes drawn each had a cell without entries: the threshold ${selection.threshold} leaves too little`,
  );
}

function withMembers(genotype: Genotype, seed: number, membersOf: (candidate: string) => readonly string[]): Genotype {
  // Another epoch than that of the weights: numbers of its own.
  const stream = { seed, purpose: 'randomGenotype', epoch: 1, step: 0, part: 0 } as const;
  let drawn = 0;
  const memberOf = (candidate: string) => {
    const members = membersOf(candidate);
    return members[randomBlock(stream, drawn++)[0] % members.length];
  };
  return mapCells(genotype, ({ nodes, concat }) => ({
    nodes: nodes.map((entries) => entries.map((entry) => ({ ...entry, operation: memberOf(entry.operation) }))),
    concat,
  }));
}

function drawnWeights({ tables }: Selectable, seed: number, draw: number): RowsByTable {
  const drawn = Object.values(tables).map(({ name, rowLengths }, part) => {
    const stream = { seed, purpose: 'randomGenotype', epoch: 0, step: draw, part } as const;
    let drawnSoFar = 0;
    // 24 bits, which float32 holds.
    const next = () => (randomBlock(stream, drawnSoFar++)[0] >>> 8) / 2 ** 24;
    return [name, rowLengths.map((length) => Array.from({ length }, next))] as const;
  });
  return Object.fromEntries(drawn);
}
