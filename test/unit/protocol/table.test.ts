// The table of a protocol, of given scores.
import { describe, expect, it } from 'vitest';
import { protocolLines, protocolMarkdown } from '../../../src/cli/protocol_report.ts';
import type { ProtocolResult } from '../../../src/protocol/events.ts';
import { type MeasuredArm, type ProtocolMeasure, protocolTable } from '../../../src/protocol/table.ts';
import { pairedTest } from '../../../src/statistics/paired.ts';
import { sampleOf } from '../../../src/statistics/sample.ts';

const accuracy: ProtocolMeasure = { name: 'testAccuracy', title: 'test accuracy', unit: 'share', better: 'higher' };
const perplexity: ProtocolMeasure = {
  ...{ name: 'testPerplexity', title: 'test perplexity', unit: 'perplexity', better: 'lower' },
};
const seeds = [0, 1, 2, 3];
const found = [0.9, 0.8, 0.85, null];
const drawn = [0.7, 0.82, 0.8, 0.75];
const arms: MeasuredArm[] = [
  { name: 'darts', kind: 'search', baseline: 'random', scores: found, briefs: [0.3, 0.5, 0.4, 0.1] },
  { name: 'random', kind: 'random', scores: drawn, briefs: [0.3, null, 0.1, 0.3] },
];
const rowOf = (measure: ProtocolMeasure, name: string, among?: number, of = arms) =>
  protocolTable(measure, of, seeds, among).rows.find(({ arm }) => arm === name)!;

describe('protocolTable', () => {
  it('counts what came to nothing, and pairs what both have', () => {
    expect(rowOf(accuracy, 'darts')).toEqual({
      ...{ arm: 'darts', kind: 'search', failed: 1, scores: found, ...sampleOf([0.9, 0.8, 0.85]) },
      against: { arm: 'random', ...pairedTest([0.9 - 0.7, 0.8 - 0.82, 0.85 - 0.8]) },
    });
    expect(rowOf(accuracy, 'random')).toEqual({
      ...{ arm: 'random', kind: 'random', failed: 0, scores: drawn, ...sampleOf(drawn) },
    });
  });

  it('keeps of each group what validated best, and scores it on the rest', () => {
    expect(rowOf(accuracy, 'picked of darts', 2)).toMatchObject({
      ...{ kind: 'picked', kept: [1, 2], scores: [0.8, 0.85], n: 2 },
      against: { arm: 'picked of random', sample: { n: 2, mean: expect.closeTo((0.1 + 0.1) / 2, 12) } },
    });
    // Of equals the first.
    expect(rowOf(accuracy, 'picked of random', 4)).toMatchObject({ kept: [0], scores: [0.7], n: 1, deviation: null });
    expect(rowOf(perplexity, 'picked of darts', 4)).toMatchObject({ kept: [3], scores: [null], n: 0, failed: 1 });
  });

  it('has nothing to keep where nothing was trained', () => {
    const bare = [{ ...arms[0], briefs: [null, null, null, null] }];
    expect(rowOf(accuracy, 'picked of darts', 2, bare)).toMatchObject({ kept: [null, null], n: 0, mean: null });
  });

  it('holds a whole space against samples of it', () => {
    const whole = { n: 15625, mean: 60, deviation: 12 };
    const own = [
      { ...arms[0], scores: [61, 63] },
      { ...arms[1], scores: [50, 70], whole },
    ];
    const { rows } = protocolTable(accuracy, own, [0, 1]);
    expect(rows.map(({ arm }) => arm)).toEqual(['darts', 'random', 'random, all there are']);
    expect(rows[0].againstWhole).toEqual({ arm: 'random, all there are', ...pairedTest([1, 3]) });
    expect(rows[2]).toMatchObject({ kind: 'whole', ...whole, interval: null });
  });
});

describe('the printed table', () => {
  const failures = [{ arm: 'darts', seed: 3, part: 'search', reason: 'the loss became NaN' }];
  const result: ProtocolResult = {
    directory: 'runs/protocol',
    seeds,
    tables: [protocolTable(accuracy, arms, seeds, 2)],
    failures,
  };

  it('tells all: how many, how sure, and what is missing', () => {
    const lines = protocolLines(result);
    expect(lines[0]).toBe('test accuracy in % (higher is better), seeds 0 to 3');
    expect(lines[3].replace(/ +/g, ' ')).toBe(
      'darts 3 of 4 85.00 5.00 72.58 to 97.42 random +7.67 -20.25 to +35.59 0.3589 0.5000',
    );
    expect(lines[4].replace(/ +/g, ' ')).toBe('random 4 76.75 5.38 68.19 to 85.31');
    const text = lines.join('\n');
    expect(text).toContain('exact over all signs of the differences (paired permutation test)');
    expect(text).toContain('never below 0.2500');
    expect(text).toContain('picked of darts: seeds 1, 2, which validated best');
    expect(text).toContain('darts, seed 3: no outcome of its search: the loss became NaN');
  });

  it('is Markdown too', () => {
    const lines = protocolMarkdown(result);
    expect(lines[2]).toMatch(/^\| arm \| n \| mean \| deviation \|/);
    expect(new Set(lines.slice(2, 8).map((line) => line.split('|').length))).toEqual(new Set([12]));
    expect(lines.at(-1)).toMatch(/^- darts, seed 3/);
  });

  it('takes perplexities as they are, and the lower ones as better', () => {
    const texts: MeasuredArm[] = [
      { name: 'rnn', kind: 'search', baseline: 'random', scores: [100.5, 99.25] },
      { name: 'random', kind: 'random', scores: [110.5, 109.25] },
    ];
    const [title, , , row] = protocolLines({
      ...result,
      ...{ seeds: [4, 5], tables: [protocolTable(perplexity, texts, [4, 5])], failures: [] },
    });
    expect(title).toBe('test perplexity (lower is better), seeds 4 to 5');
    expect(row).toMatch(/rnn +2 +99\.88 +0\.88 .* random +-10\.00 +-10\.00 to -10\.00 +- +0\.5000/);
  });
});
