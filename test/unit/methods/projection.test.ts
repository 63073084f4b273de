// Perturbation-based selection (DARTS-PT, arXiv:2108.04392): its order, its rules, and a run of it.
import { describe, expect, it } from 'vitest';
import type { Genotype } from '../../../src/genotype/genotype.ts';
import { type Decision, planOf } from '../../../src/methods/projection/plan.ts';
import { givenRows, type Projected, projectedRows, withoutNone } from '../../../src/methods/projection/projected.ts';
import { projectionPresets } from '../../../src/methods/projection/settings.ts';
import {
  begun,
  firstStanding,
  maskOf,
  type Standing,
  scored,
  turnAt,
} from '../../../src/methods/projection/standing.ts';
import { uniform } from '../../../src/random/philox.ts';
import { leastMissed, mostMissed } from '../../../src/select/absence.ts';
import { selectableOf } from '../../../src/select/layout.ts';
import { genotypeOf } from '../../../src/select/strongest_edges.ts';
import { byType } from '../../helpers/by_type.ts';

const { settings } = projectionPresets.paper;
const names = ['none', 'skip_connect', 'sep_conv_3x3'];
const rows = Array.from({ length: 4 }, (_, node) =>
  Array.from({ length: node + 2 }, (_, input) => ({ node, input, candidates: names })),
).flat();
const darts = selectableOf({
  nodes: 4,
  tables: { normal: { name: 'alphas_normal', rows }, reduce: { name: 'alphas_reduce', rows } },
});
/** Of NAS-Bench-201: one cell, all edges of which stay. */
const one = selectableOf({ nodes: 3, tables: { cell: { name: 'alphas', rows: rows.slice(0, 6) } } });

describe('the plan of a selection', () => {
  const placesOf = (decisions: readonly Decision[], cell: number) => decisions.map(({ of }) => of[cell][1]);
  const decisionsOf = (seed: number) =>
    planOf(darts, seed, settings, false).flatMap((part) => ('decision' in part ? [part.decision] : []));

  it.each([
    [0, '12 0 13 8 4 3 11 1 9 5 6 7 2 10', '5 3 4 12 8 7 11 0 6 1 9 10 13 2', '1 3 2', '1 3 2'],
    [1, '5 13 10 6 0 11 2 8 12 9 1 3 4 7', '11 8 13 0 2 9 4 12 5 7 6 3 1 10', '1 3 2', '2 3 1'],
    [2, '8 9 13 10 2 6 5 11 7 4 12 3 0 1', '13 6 2 9 1 7 8 5 4 11 10 3 0 12', '2 1 3', '1 2 3'],
  ])('has the published order of seed %i', (seed, normal, reduce, ...nodes) => {
    const decisions = decisionsOf(seed);
    const operations = decisions.filter(({ kind }) => kind === 'operation');
    const inputs = decisions.filter(({ kind }) => kind === 'inputs');
    expect([0, 1].map((cell) => placesOf(operations, cell).join(' '))).toEqual([normal, reduce]);
    expect([0, 1].map((cell) => placesOf(inputs, cell).join(' '))).toEqual(nodes);
  });

  it.each([
    [0, '4 0 5 2 3 1'],
    [1, '5 3 0 1 4 2'],
    [2, '0 1 4 5 3 2'],
  ])('has the published order of seed %i where nodes keep all edges', (seed, order) => {
    const parts = planOf(one, seed, settings, true);
    const decisions = parts.flatMap((part) => ('decision' in part ? [part.decision] : []));
    expect(placesOf(decisions, 0).join(' ')).toBe(order);
    // Decisions before the epochs 0, 5, 10, 15, 20 and 24 of 25.
    expect(parts.map((part) => ('epochs' in part ? part.epochs : 'd'))).toEqual([
      ...['d', 5, 'd', 5, 'd', 5, 'd', 5, 'd', 4, 'd', 1],
    ]);
  });

  it('fine-tunes 16 intervals and one epoch', () => {
    const parts = planOf(darts, 2, settings, false);
    const epochs = parts.reduce((sum, part) => sum + ('epochs' in part ? part.epochs : 0), 0);
    expect([epochs, parts.length]).toEqual([81, 34]);
  });

  it('leaves the last edge to alpha at an interval of 1, unless all are to be decided', () => {
    const decisions = (decideAll: boolean) =>
      planOf(one, 0, { ...settings, projIntv: 1, decideAll }, true).filter((part) => 'decision' in part).length;
    expect([decisions(false), decisions(true)]).toEqual([5, 6]);
  });
});

describe('what scores decide', () => {
  const scores = [0.5, 0.4, 0.4, 0.5].map((accuracy, i) => ({ accuracy, loss: [1, 2, 2, 1][i] }));

  it('keeps what is missed most, of equals the first, and lets go what is missed least, of equals the last', () => {
    for (const criterion of ['acc', 'loss'] as const) {
      expect(mostMissed(scores, criterion)).toBe(1);
      expect(leastMissed(scores, criterion)).toBe(3);
    }
  });
});

/** A selection whose scores come from `absence`, which is told the given rows. */
function selected(absence: (given: ReturnType<typeof givenRows>) => number, cumulative = false): Standing {
  const mixing = { alphas_normal: rows.map(() => [0.2, 0.5, 0.3]), alphas_reduce: rows.map(() => [0.3, 0.3, 0.4]) };
  let standing = firstStanding(darts);
  for (const part of planOf(darts, 2, settings, false)) {
    if (!('decision' in part)) continue;
    const { decision } = part;
    const steps = decision.of.map(([cell, place]) => scoresFor(decision, cell, place)).reduce((a, b) => a + b);
    for (let step = 0; step < steps; step++) {
      const turn = turnAt(darts, decision, step);
      standing = begun(darts, standing, turn);
      const given = givenRows(darts, standing.projected, mixing, maskOf(darts, standing, turn, cumulative));
      const accuracy = absence(given);
      standing = scored(darts, standing, turn, { accuracy, loss: 0 }, { operation: 'acc', inputs: 'acc' });
    }
  }
  return standing;
}

function scoresFor({ kind }: Decision, _: string, place: number): number {
  return kind === 'operation' ? 3 : [0, 3, 7, 12][place];
}

describe('a selection', () => {
  it('gives every row a candidate, and every node two inputs', () => {
    const { projected } = selected(() => 0.5);
    for (const cell of ['normal', 'reduce']) {
      // All equal: the first candidate stays, the last inputs go.
      const states = projected[cell];
      for (const node of [0, 1, 2, 3]) {
        const own = states.filter((_, row) => rows[row].node === node);
        expect(own).toEqual([0, 0, ...Array(node).fill('dropped')]);
      }
    }
  });

  it('agrees with another implementation on random absences', () => {
    for (let seed = 0; seed < 20; seed++) {
      let draw = 0;
      const value = () => uniform({ seed, purpose: 'architecture', epoch: 0, step: draw++ }, 1)[0];
      const seen: number[] = [];
      const { projected } = selected(() => {
        seen.push(value());
        return seen.at(-1)!;
      });
      expect(projected).toEqual(expected(seen));
    }
  });

  it('tries edges that went before again, unless told otherwise', () => {
    const zeros = (cumulative: boolean) => {
      const counts: number[] = [];
      selected((given) => {
        counts.push(
          Object.values(given)
            .flat()
            .filter((row) => row?.every((weight) => weight === 0)).length,
        );
        return 0.5;
      }, cumulative);
      return counts.slice(-10);
    };
    expect(zeros(true)).not.toEqual(zeros(false));
  });

  it('leaves out of the genotype what none has won, where that is wanted', () => {
    const decided = rows.map(({ node, input }) => (input > 1 ? 'dropped' : node === 1 && input === 0 ? 1 : 0));
    const projected: Projected = { normal: decided, reduce: decided };
    const mixing = { alphas_normal: rows.map(() => [0.2, 0.5, 0.3]), alphas_reduce: rows.map(() => [0.2, 0.5, 0.3]) };
    const genotype = genotypeOf(darts, projectedRows(darts, projected, mixing));
    const inputsOf = (one: Genotype) => byType(one).normal.nodes.map((entries) => entries.map(({ input }) => input));
    expect(inputsOf(genotype)).toEqual([
      [0, 1],
      [0, 1],
      [0, 1],
      [0, 1],
    ]);
    // Node 1 has an edge that kept an operation; nothing would be left of the others.
    expect(inputsOf(withoutNone(darts, projected, genotype))).toEqual([[0, 1], [0], [0, 1], [0, 1]]);
  });
});

/** By loops over the scores alone, as the page tells it. */
function expected(scores: readonly number[]) {
  let next = 0;
  const result: Record<string, (number | string)[]> = { normal: [], reduce: [] };
  const orders = {
    normal: '8 9 13 10 2 6 5 11 7 4 12 3 0 1'.split(' ').map(Number),
    reduce: '13 6 2 9 1 7 8 5 4 11 10 3 0 12'.split(' ').map(Number),
  };
  const nodes = { normal: [2, 1, 3], reduce: [1, 2, 3] };
  for (let d = 0; d < 14; d++) {
    for (const cell of ['normal', 'reduce'] as const) {
      const tried = scores.slice(next, next + 3);
      next += 3;
      result[cell][orders[cell][d]] = tried.indexOf(Math.min(...tried));
    }
  }
  for (let d = 0; d < 3; d++) {
    for (const cell of ['normal', 'reduce'] as const) {
      const node = nodes[cell][d];
      const first = [0, 2, 5, 9][node];
      const left = Array.from({ length: node + 2 }, (_, j) => first + j);
      while (left.length > 2) {
        const tried = scores.slice(next, next + left.length);
        next += left.length;
        const [gone] = left.splice(tried.lastIndexOf(Math.max(...tried)), 1);
        result[cell][gone] = 'dropped';
      }
    }
  }
  return result;
}
