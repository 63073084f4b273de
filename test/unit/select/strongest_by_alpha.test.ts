// StacNAS' selection and what it hands on, against a second implementation written from the page: nested lists by node and edge.
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import type { Genotype } from '../../../src/genotype/genotype.ts';
import { memberSpace } from '../../../src/methods/stacnas/groups.ts';
import { uniform } from '../../../src/random/philox.ts';
import { selectGenotype } from '../../../src/select/rules.ts';
import { strongestByAlpha, winners } from '../../../src/select/strongest_by_alpha.ts';
import { resolveSpace } from '../../../src/space/space.ts';
import { byType } from '../../helpers/by_type.ts';

const cells = ['normal', 'reduce'] as const;
const first = ['max_pool_3x3', 'skip_connect', 'sep_conv_3x3', 'dil_conv_3x3', 'none'];
/** The page's table of the second stage. */
const second: Readonly<Record<string, readonly string[]>> = {
  max_pool_3x3: ['avg_pool_3x3', 'max_pool_3x3', 'none'],
  skip_connect: ['skip_connect', 'skip_connect', 'none'],
  sep_conv_3x3: ['sep_conv_3x3', 'sep_conv_5x5', 'none'],
  dil_conv_3x3: ['dil_conv_3x3', 'dil_conv_5x5', 'none'],
};
const space = resolveSpace('stacnas');

function searched(resolved: typeof space) {
  const table = (type: 'normal' | 'reduce') => ({
    name: `alphas_${type}`,
    rowLengths: resolved.edges[type].map(({ candidates }) => candidates.length),
    edges: resolved.edges[type],
  });
  return { space: resolved, tables: { normal: table('normal'), reduce: table('reduce') } };
}

/** [cell][node][edge][candidate]: vectors cut from numbers one after another, as the published code lists them. */
function vectors(lengthOf: (cell: number, node: number, edge: number) => number, numbers: readonly number[]) {
  let at = 0;
  return [0, 1].map((cell) =>
    [0, 1, 2, 3].map((node) =>
      Array.from({ length: node + 2 }, (_, edge) =>
        Array.from({ length: lengthOf(cell, node, edge) }, () => numbers[at++ % numbers.length]),
      ),
    ),
  );
}

/** The published form of the genotype: [cell][node] = two pairs. */
function parse(
  alphas: ReturnType<typeof vectors>,
  nameOf: (cell: number, node: number, edge: number, k: number) => string,
) {
  return alphas.map((cell, c) =>
    cell.map((node, n) => {
      const best = node.map((vector, e) => {
        const kept = vector.slice(0, -1);
        const k = kept.indexOf(Math.max(...kept));
        return { value: kept[k], pair: [nameOf(c, n, e, k), e] as const };
      });
      const taken: (readonly [string, number])[] = [];
      for (let i = 0; i < 2; i++) {
        let largest = -1;
        best.forEach(({ value }, e) => {
          if (!taken.includes(best[e].pair) && (largest < 0 || value > best[largest].value)) largest = e;
        });
        taken.push(best[largest].pair);
      }
      return taken;
    }),
  );
}

function pairsOf(genotype: Genotype) {
  return cells.map((type) =>
    byType(genotype)[type].nodes.map((edges) => edges.map(({ operation, input }) => [operation, input])),
  );
}

function expectAgreement(numbers: readonly number[]): void {
  const float32 = numbers.map(Math.fround);
  const alphas = vectors(() => 5, float32);
  const rows = (stage: typeof alphas) =>
    Object.fromEntries(cells.map((type, cell) => [`alphas_${type}`, stage[cell].flat()]));
  const supernet = searched(space);
  expect(pairsOf(strongestByAlpha(supernet, rows(alphas)))).toEqual(parse(alphas, (_c, _n, _e, k) => first[k]));

  const groupOf = (c: number, n: number, e: number) => {
    const kept = alphas[c][n][e].slice(0, 4);
    return second[first[kept.indexOf(Math.max(...kept))]];
  };
  const members = resolveSpace(memberSpace(space, winners(supernet, rows(alphas)), true));
  const found = cells.map((type) => members.edges[type].map(({ candidates }) => candidates.map(({ name }) => name)));
  const listed = [0, 1].map((c) => alphas[c].flatMap((node, n) => node.map((_, e) => groupOf(c, n, e))));
  expect(found).toEqual(listed);

  const later = vectors(() => 3, float32.toReversed());
  const told = strongestByAlpha(searched(members), rows(later));
  expect(pairsOf(told)).toEqual(parse(later, (c, n, e, k) => groupOf(c, n, e)[k]));
}

const draws = (seed: number) => [...uniform({ seed, purpose: 'architecture', epoch: 0, step: 0 }, 140)];

describe('selection by alpha, and the groups that it hands on', () => {
  it('are what the page says of 1,000 random tables', () => {
    for (let seed = 0; seed < 1000; seed++) expectAgreement(draws(seed).map((value) => 4 * value - 2));
  });

  it('are what the page says of 300 tables full of ties', () => {
    for (let seed = 0; seed < 300; seed++) {
      const steps = 1 + (seed % 3);
      expectAgreement(draws(seed).map((value) => Math.floor(value * steps)));
    }
  });

  it('compare edges by alpha, which the mixing weights hide', () => {
    const alphas = {
      alphas_normal: space.edges.normal.map((_, row) => [1 + row, 1 + row, 0, 0, row]),
      alphas_reduce: [],
    };
    const rows = { ...alphas, alphas_reduce: alphas.alphas_normal };
    const [[, second]] = pairsOf(strongestByAlpha(searched(space), rows));
    expect(second).toEqual([
      ['max_pool_3x3', 2],
      ['max_pool_3x3', 1],
    ]);
  });

  it('takes a skip connection once where that is wanted', () => {
    const skips = space.edges.normal.map(() => 'skip_connect');
    const members = resolveSpace(memberSpace(space, { normal: skips, reduce: skips }, false));
    expect(members.edges.reduce[13].candidates.map(({ name }) => name)).toEqual(['skip_connect', 'none']);
  });

  it('cannot go by mixing weights alone', () => {
    const mixing = { alphas_normal: space.edges.normal.map(() => [0.2, 0.2, 0.2, 0.2, 0.2]), alphas_reduce: [] };
    const select = () => selectGenotype(searched(space), mixing, { by: 'stacnas', threshold: 0.85 });
    expect(select).toThrow(ArgumentError);
    expect(select).toThrow(/the rule 'stacnas' compares alpha itself/);
  });
});
