// A source of a genotype of triples that is no state yet is passed over. What then has no source at all is dead.
import { ArgumentError } from '../errors.ts';
import { type CellKey, cellName, cellsOf, type Genotype, type GenotypeCell, mapCells } from './genotype.ts';
import { checkGenotype } from './rules.ts';

/**
 * A genotype of triples without the nodes all of whose sources are passed over, and without those that lose their last source so: they
 * are isolated in what it gives, and a cell may be left without any. A genotype of pairs, which has no such nodes, comes back as it is.
 * Throws ArgumentError for a faulty genotype.
 */
export function withoutDeadNodes(genotype: Genotype): Genotype {
  checkGenotype(genotype);
  if (genotype.entries !== 'triples') return genotype;
  return mapCells(genotype, withoutDead);
}

function withoutDead({ nodes, concat }: GenotypeCell): GenotypeCell {
  const states = liveStates({ nodes, concat });
  return {
    nodes: nodes.map((entries, node) => (states.has(node + 2) ? entries : [])),
    concat: concat.filter((state) => states.has(state)),
  };
}

/** A source is a state only if it was made before, so that one walk in the order of making finds all. */
function liveStates({ nodes, concat }: GenotypeCell): ReadonlySet<number> {
  const states = new Set([0, 1]);
  for (const state of concat) if (nodes[state - 2].some(({ input }) => states.has(input))) states.add(state);
  return states;
}

/** Throws ArgumentError for a genotype of triples of which no network can be built: a cell without entries, or a dead node. */
export function checkLive(genotype: Genotype): void {
  if (genotype.entries !== 'triples') return;
  for (const [key, cell] of cellsOf(genotype)) checkLiveCell(key, cell);
}

function checkLiveCell(key: CellKey, { nodes, concat }: GenotypeCell): void {
  if (concat.length === 0) {
    throw new ArgumentError(
      `expected at least one entry in the genotype's ${cellName(key)} to build a network of but got none`,
    );
  }
  const states = liveStates({ nodes, concat });
  const dead = concat.find((state) => !states.has(state));
  if (dead === undefined) return;
  const sources = [...new Set(nodes[dead - 2].map(({ input }) => input))].join(' or ');
  throw new ArgumentError(
    `node ${dead - 2} (state ${dead}) of the genotype's ${cellName(key)} has no live source: no entry before its own makes state ${sources}; withoutDeadNodes (--drop-dead-nodes) leaves such nodes out`,
  );
}
