import { type Genotype, mapCells } from '../genotype/genotype.ts';
import type { RowsByTable } from './alpha.ts';
import { type Selectable, weightedCells } from './candidates.ts';

/**
 * A genotype that was selected from mixing weights, each entry with its own as a constant factor: `reweight` of the FairDARTS code
 * (arXiv:1911.12126). Throws ArgumentError for rows that do not fit.
 */
export function reweighted(supernet: Selectable, mixing: RowsByTable, genotype: Genotype): Genotype {
  const cells = weightedCells(supernet, mixing);
  return mapCells(genotype, ({ nodes, concat }, key) => ({
    concat,
    nodes: nodes.map((entries, node) =>
      entries.map((entry) => {
        const candidates = cells[key][node].flat();
        const found = candidates.find(({ operation, input }) => operation === entry.operation && input === entry.input);
        // Nine digits tell every float32 from its neighbours.
        return { ...entry, weight: found && Number(found.weight.toPrecision(9)) };
      }),
    ),
  }));
}
