// The scores of selections, from their journals to a picture.
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { drawScores } from '../../../src/report/draw_scores.ts';
import { readDecisions } from '../../../src/run/decisions.ts';
import { startMethod } from '../../../src/run/start.ts';
import { createFakeDevice } from '../../helpers/fake_device.ts';
import { tinyDataset } from '../../helpers/tiny_search.ts';
import { type TinySource, tinySource } from '../../helpers/tiny_source.ts';

vi.mock('../../../src/report/draw.ts', () => ({ drawGenotype: async () => '' }));

const dataset = tinyDataset();
const folder = mkdtempSync(join(tmpdir(), 'dartsmith-test-'));
afterAll(() => rmSync(folder, { recursive: true }));
const [selected, byAlpha] = ['selected', 'by-alpha'].map((name) => join(folder, name));
let source: TinySource;

beforeAll(async () => {
  source = await tinySource(2);
  const common = { ...source, dataset, device: createFakeDevice(), settings: { projIntv: 1 } };
  const settings = { projIntv: 1, projCrit: 'loss' };
  await startMethod('select', { ...common, method: 'projection', out: selected, settings }).result;
  await startMethod('select', { ...common, method: 'magnitude', out: byAlpha }).result;
});

describe('readDecisions', () => {
  it('tells of every edge and of every round of a node, in the order in which they were decided', async () => {
    const { criterion, decisions } = await readDecisions(selected);
    expect(criterion).toBe('loss');
    // Five edges and one node of three edges, in both cells.
    const kinds = decisions.map(({ kind, number, cell, round = 0 }) => `${number} ${cell} ${kind} ${round}`);
    expect(kinds.slice(0, 4)).toEqual(
      ['1 normal', '1 reduce', '2 normal', '2 reduce'].map((text) => `${text} operation 0`),
    );
    expect(kinds.slice(10)).toEqual(['6 normal inputs 1', '6 reduce inputs 1']);
    for (const { kind, tried, decided } of decisions) {
      const losses = tried.map(({ loss }) => loss);
      const wanted =
        kind === 'operation' ? losses.indexOf(Math.max(...losses)) : losses.lastIndexOf(Math.min(...losses));
      expect(decided).toBe(wanted);
    }
    const last = decisions[10];
    expect(last.tried.map(({ input }) => input)).toEqual([0, 1, 2]);
    const kept = decisions.filter(
      ({ cell, node, kind }) => cell === 'normal' && node === last.node && kind === 'operation',
    );
    for (const { input, operation } of last.tried) {
      const own = kept.find(({ tried }) => tried[0].input === input);
      expect(own?.tried[own.decided].operation).toBe(operation);
    }
  });

  it('refuses runs without scores', async () => {
    await expect(readDecisions(source.run)).rejects.toThrow(
      /holds a search: scores are what a selection by projection has/,
    );
    await expect(readDecisions(byAlpha)).rejects.toThrow(/has no scores: its decisions were made by alpha alone/);
    await expect(readDecisions(join(folder, 'none'))).rejects.toMatchObject({ code: 'FILE' });
    const early = join(folder, 'early');
    mkdirSync(early);
    const start = { type: 'start', run: 'select', method: 'projection', settings: { projCrit: 'acc' }, epoch: 0 };
    writeFileSync(join(early, 'journal.jsonl'), `${JSON.stringify(start)}\n`);
    await expect(readDecisions(early)).rejects.toThrow(/has decided nothing yet/);
    const decision = { cell: 'normal', row: 0, node: 0, input: 0, candidates: ['none'], scores: [], chosen: 'none' };
    appendFileSync(join(early, 'journal.jsonl'), `${JSON.stringify({ type: 'decision', epoch: 0, decision })}\n`);
    await expect(readDecisions(early)).rejects.toThrow(
      /the journal of .*early is damaged: its decision 1 makes no sense/,
    );
  });
});

describe('drawScores', () => {
  it('rings what is kept and crosses out what goes, by what decided unless told otherwise', async () => {
    const found = await readDecisions(selected);
    const svg = drawScores('a <run>', found);
    expect(svg).toMatch(/Loss without each.*a &lt;run&gt;; ringed: .*normal cell.*reduction cell/s);
    expect(svg.match(/r="5.2"/g)).toHaveLength(10);
    // 20 candidates and 6 edges.
    expect(svg.match(/r="3"/g)).toHaveLength(26);
    expect(svg.match(/stroke-width="1.4"/g)).toHaveLength(12);
    expect(drawScores('run', found, { projCrit: 'acc' })).toContain('accuracy without it, %');
    const first = { ...found, decisions: found.decisions.slice(0, 1) };
    expect(drawScores('run', first)).not.toMatch(/crossed out|reduction cell|>round</);
  });

  it('refuses what are no decisions', () => {
    const message = /expected decisions as readDecisions gives them/;
    for (const bad of [undefined, {}, { criterion: 'acc', decisions: [] }, { criterion: 'acc', decisions: [{}] }]) {
      expect(() => drawScores('run', bad as never)).toThrow(message);
    }
  });
});
