// Networks of CDARTS each of whose stages has alpha of its own: repeat_cell off in its authors' code (arXiv:2006.10724).
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../../src/backend/open.ts';
import type { GenotypeByCell } from '../../../src/genotype/genotype.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { parseGenotype } from '../../../src/genotype/text.ts';
import type { Graph, MixedNode } from '../../../src/graph/graph.ts';
import { byStage, kindOf } from '../../../src/network/cell_sets.ts';
import { buildCyclicNetworks, candidateGroup } from '../../../src/network/cyclic.ts';
import { normal } from '../../../src/random/philox.ts';
import { readAlpha } from '../../../src/select/alpha.ts';
import { isLayout, layoutOf } from '../../../src/select/layout.ts';
import { selectGenotype } from '../../../src/select/rules.ts';
import { cellTypesOf } from '../../../src/skeleton/cell_stack.ts';

const tiny = { inputShape: [12, 12, 3], classes: 3, initChannels: 2, layers: 5, evaluationLayers: 6 } as const;
const staged = buildCyclicNetworks({ ...tiny, repeatCell: false, nodes: 'learnt' });
const { search, layout, choices, candidates } = staged;
const tableNames = ['normal_0', 'reduce_0', 'normal_1', 'reduce_1', 'normal_2'].map((set) => `alphas_${set}`);
const alphaOf = ({ parameters }: Graph) =>
  parameters.filter(({ role, name }) => role === 'alpha' && name.startsWith('alphas')).map(({ name }) => name);

describe('sets of cells', () => {
  it('are those of a kind in a stage, which a reduction ends', () => {
    const setOf = byStage([2, 5]);
    const sets = cellTypesOf(8).map((kind, index) => setOf({ kind, layer: `cells.${index}` }));
    const first = ['normal_0', 'normal_0', 'reduce_0'];
    expect(sets).toEqual([...first, 'normal_1', 'normal_1', 'reduce_1', 'normal_2', 'normal_2']);
    expect(sets.map(kindOf)).toEqual(cellTypesOf(8));
  });
});

describe('networks each of whose stages has alpha of its own', () => {
  it('have a table for each set, which its cells of the search network mix by', () => {
    expect(alphaOf(search.graph)).toEqual(tableNames);
    const mixed = search.graph.nodes.filter((node): node is MixedNode => node.op === 'mixed');
    const byCell = new Map<string, number>();
    for (const { alpha } of mixed) byCell.set(alpha, (byCell.get(alpha) ?? 0) + 1);
    // Of 5 cells each has one set: 14 edges and four nodes.
    expect(Object.fromEntries(byCell)).toEqual(
      Object.fromEntries(
        tableNames.flatMap((name) => [
          [name, 14],
          [name.replace('alphas', 'betas'), 4],
        ]),
      ),
    );
  });

  it('decide on every cell of the evaluation network', async () => {
    using device = await openDevice({ backend: 'cpu', threads: 1 });
    using parameters = await device.createParameters([search.graph, layout], { seed: 1 });
    for (const [part, name] of tableNames.entries()) {
      const { size } = parameters.map.places.get(name)!;
      const values = normal({ seed: 1, purpose: 'weights', epoch: 0, step: 0, part }, size);
      await parameters.set(name, Float32Array.from(values));
    }
    const { mixing, alpha } = await readAlpha(search, parameters);
    const decision = selectGenotype(search, mixing, { by: 'darts', threshold: 0 }, alpha) as GenotypeByCell;
    expect(isLayout(layoutOf(search))).toBe(true);
    expect(decision.cells).toHaveLength(6);
    // Cells 0 and 1, and no others, are of one set.
    expect(decision.cells[1]).toEqual(decision.cells[0]);
    expect(new Set(decision.cells.map((cell) => JSON.stringify(cell))).size).toBe(5);
    const chosen = choices(decision);
    expect(chosen).toHaveLength(5 * 8);
    const [entry] = decision.cells[3].nodes[0];
    const { edges } = search.tables['cells.3'];
    const { row, candidates: names } = edges.find(({ node, input }) => node === 0 && input === entry.input)!;
    const group = candidateGroup(
      'normal_1',
      row,
      names.findIndex(({ name }) => name === entry.operation),
    );
    expect(chosen.map((one) => one.group)).toContain(group);
    const running = staged.evaluation(decision).graph.parameters.map((spec) => spec.group);
    const own = candidates.parameters.filter((spec) => spec.group === group);
    // Weights of cell 3 alone: its stage has no other normal one.
    expect(own.every(({ name }) => name.startsWith('evaluation.cells.3.'))).toBe(true);
    expect(own.length === 0 || running.includes(group)).toBe(true);
  });

  it('refuse decisions of other depths, and cells of a set that differ', () => {
    const { normal: one, reduce } = genotypes['CDARTS_CIFAR'];
    const other = genotypes['CDARTS_IMAGENET'].normal;
    expect(() => choices({ normal: one, reduce })).toThrow('of each of 6 cells');
    expect(() => choices({ cells: Array(20).fill(one) })).toThrow('of each of 6 cells');
    const cells = [one, other, reduce, one, reduce, one];
    expect(() => choices({ cells })).toThrow('but cells.1 is not');
    expect(choices({ cells: cells.with(1, one) })).toHaveLength(5 * 8);
  });

  it.each([
    [{ layers: 4 }, /expected enough for a cell of every kind and stage .*normal_1/],
    [{ space: 'nasbench201', layers: 3, evaluationLayers: 3 }, /true, as all cells of a nasbench201 network are alike/],
    [{ repeatCell: 'no' as never }, /repeatCell/],
  ])('refuse %j', (options, message) => {
    expect(() => buildCyclicNetworks({ ...tiny, repeatCell: false, ...options })).toThrow(message);
  });

  it('are those of one set a kind otherwise', () => {
    const plain = buildCyclicNetworks(tiny);
    expect(alphaOf(plain.search.graph)).toEqual(['alphas_normal', 'alphas_reduce']);
    expect(() => plain.choices(parseGenotype(JSON.stringify({ cells: [] })))).toThrow();
  });
});
