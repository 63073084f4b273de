// Pictures of a history: what they show is counted in their elements.
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import { ticksOf } from '../../../src/report/axes.ts';
import { heatColour, operationColours } from '../../../src/report/colours.ts';
import { drawHistory, type HistoryKind, historyKinds } from '../../../src/report/draw_history.ts';
import { binCounts, someOf } from '../../../src/report/history_histogram.ts';
import { zoomOf } from '../../../src/report/rasterise.ts';
import { readHistory } from '../../../src/run/select.ts';
import type { MixingHistory } from '../../../src/select/history.ts';
import { root } from '../../helpers/process.ts';

const name = 'runs/fair & <square>';
let history: MixingHistory;
let softmax: MixingHistory;

beforeAll(async () => {
  history = await readHistory(join(root, 'test/fixtures/fairdarts'));
  const eighth = history.entries.map(({ epoch, mixing }) => ({
    epoch,
    mixing: Object.fromEntries(
      Object.entries(mixing).map(([table, rows]) => [table, rows.map((row) => row.map((w) => w / 8))]),
    ),
  }));
  softmax = { ...history, activation: 'softmax', entries: eighth };
});

async function svgOf(kind: HistoryKind, options: object = {}, drawn = history): Promise<string> {
  const svg = String(await drawHistory([{ name, history: drawn }], { kind, ...options }));
  expectWellFormed(svg);
  return svg;
}

/** Every element is closed, every attribute a number that is one or a quoted text, nothing left unescaped. */
function expectWellFormed(svg: string): void {
  const open: string[] = [];
  expect(svg.startsWith('<svg xmlns="http://www.w3.org/2000/svg"')).toBe(true);
  for (const [, close, element, attributes, alone] of svg.matchAll(
    /<(\/?)([a-z]+)((?: [a-z-]+="[^"<]*"| xmlns="[^"]*"| viewBox="[^"]*")*)(\/?)>/g,
  )) {
    if (close !== '') expect(open.pop()).toBe(element);
    else if (alone === '') open.push(element);
    expect(attributes).not.toMatch(/NaN|Infinity|undefined/);
  }
  expect(open).toEqual([]);
  expect(svg.replace(/<\/?[a-z][^<>]*>/g, '')).not.toMatch(/[<>]|&(?!amp;|lt;|gt;|quot;)/);
}

const count = (svg: string, pattern: RegExp) => [...svg.matchAll(pattern)].length;

describe('drawHistory', () => {
  it('draws the published grid: a plot a weight, titled by its key, a red plus an entry', async () => {
    const svg = await svgOf('grid');
    expect(count(svg, />edge: \(\d, \d\), op: [a-z_\dx]+</g)).toBe(196);
    expect(svg).toContain('>edge: (3, 4), op: dil_conv_5x5<');
    const marks = [...svg.matchAll(/<path d="([^"]*)" stroke="#e00000"/g)].map(([, d]) => count(d, /M/g));
    // A plus is two strokes; there are four entries.
    expect(marks).toEqual(new Array(196).fill(8));
    expect(svg).toContain('>runs/fair &amp; &lt;square&gt;<');
    expect(count(await svgOf('grid', { cell: 'reduce' }), />edge: /g)).toBe(98);
  });

  it('gives every plot of the grid a scale of its own', async () => {
    const low = [0.1, 0.2, 0.3, 0.4];
    const entries = low.map((weight, epoch) => ({
      epoch,
      mixing: { n: [[weight], [weight / 1000]], r: [[0.5], [0.5]] },
    }));
    const rows = [0, 1].map((input) => ({ node: 0, input, candidates: ['skip_connect'] }));
    const layout = { nodes: 1, tables: { normal: { name: 'n', rows }, reduce: { name: 'r', rows } } };
    const svg = await svgOf('grid', { cell: 'normal' }, { layout, activation: 'sigmoid', entries });
    const heights = [...svg.matchAll(/<path d="([^"]*)" stroke="#e00000"/g)].map(([, d]) => {
      const ys = [...d.matchAll(/M[\d.]+ ([\d.]+)h/g)].map(([, y]) => Number(y));
      return ys[0] - ys[3];
    });
    // The first fills its plot; the second, whose range is 0.0003, has the least range that is drawn, 0.002.
    expect(heights[0]).toBeGreaterThan(50);
    expect(heights[1]).toBeGreaterThan(5);
    expect(heights[1]).toBeLessThan(heights[0] / 3);
  });

  it('stacks the operations that lead edges, in both senses', async () => {
    const svg = await svgOf('area', { threshold: 0.85 });
    expect(svg).toContain('>edges by the operation of their largest weight<');
    expect(svg).toContain('>operations whose weight on an edge is at least 0.85<');
    // At the start all weights are equal and the first operation leads: 14 edges high, at the left end.
    expect(count(svg, /<polygon /g)).toBeGreaterThan(10);
    const empty = await svgOf('area', { threshold: 1 });
    expect(count(empty, />none</g)).toBe(2);
    expect(count(await svgOf('area', {}, { ...history, entries: history.entries.slice(0, 1) }), /<polygon /g)).toBe(2);
  });

  it('colours the last weights, and frames those that reach the threshold', async () => {
    const svg = await svgOf('heatmap');
    const last = Object.values(history.entries.at(-1)!.mixing).flat(2);
    expect(count(svg, />(?:1\.000|\.\d{3})</g)).toBe(196);
    expect(count(svg, /stroke="#d55e00" stroke-width="2"/g)).toBe(last.filter((weight) => weight >= 0.85).length);
    expect(svg).toContain('after 3 epochs');
    expect(await svgOf('heatmap', {}, softmax)).not.toContain('stroke="#d55e00" stroke-width="2"');
  });

  it('counts how weights spread at four moments', async () => {
    const svg = await svgOf('histogram', { cell: 'normal' });
    for (const title of ['before the first step', 'after 1 epoch', 'after 2 epochs', 'after 3 epochs']) {
      expect(svg).toContain(`>${title}<`);
    }
    expect(count(svg, /stroke-dasharray="4 3"/g)).toBe(4);
    expect(count(await svgOf('histogram', { cell: 'normal' }, softmax), /stroke-dasharray="4 3"/g)).toBe(0);
  });

  it('compares the skip connections of several searches', async () => {
    const histories = [
      { name, history },
      { name: 'darts', history: softmax },
    ];
    const svg = String(await drawHistory(histories, { kind: 'skips' }));
    expectWellFormed(svg);
    expect(svg).toContain('>runs/fair &amp; &lt;square&gt; (threshold_sparse, 0.85)<');
    expect(svg).toContain('>darts (darts)<');
    for (const kind of historyKinds.filter((kind) => kind !== 'skips')) {
      await expect(drawHistory(histories, { kind })).rejects.toThrow(/expected one \(skips compares several\)/);
    }
  });

  it.each(historyKinds)('draws %s as PNG, and of a single table', async (kind) => {
    const one = { ...history, entries: history.entries.slice(-1).map(({ mixing }) => ({ epoch: 0, mixing })) };
    expectWellFormed(await svgOf(kind, {}, one));
    const png = await drawHistory([{ name, history: one }], { kind, format: 'png', cell: 'normal' });
    expect([...(png as Uint8Array).subarray(0, 4)]).toEqual([0x89, 0x50, 0x4e, 0x47]);
  });

  it('draws candidates by edge and names that no picture should trust', async () => {
    const rows = [
      { node: 0, input: 0, candidates: ['<script>"&', 'skip_connect'] },
      { node: 0, input: 1, candidates: ['none', 'a\uD800b', 'toString'] },
    ];
    const layout = { nodes: 1, tables: { normal: { name: 'n', rows }, reduce: { name: 'r', rows } } };
    const table = [
      [0.5, 0.25],
      [0.1, 0.2, 0.9],
    ];
    const entries = [0, 1].map((epoch) => ({ epoch, mixing: { n: table, r: table } }));
    for (const kind of historyKinds) await svgOf(kind, {}, { layout, activation: 'sigmoid', entries });
  });

  it.each<[unknown, unknown, RegExp]>([
    [[], {}, /at least one for histories/],
    [[{ name: 'a', history: {} }], {}, /a list of \{ name, history \}/],
    [null, {}, /a list of \{ name, history \}/],
    [undefined, { kind: 'pie' }, /one of grid, area, heatmap, histogram, skips for kind/],
    [undefined, { format: 'dot' }, /'svg' or 'png' for format/],
    [undefined, { cell: 'both' }, /'normal' or 'reduce' for cell/],
    [undefined, { by: 'best' }, /for by but received 'best'/],
    [undefined, { threshold: -1 }, /a number from 0 to 1 for threshold/],
    [undefined, { colour: 'red' }, /a field of options/],
  ])('refuses %j, %j', async (given, options, message) => {
    const histories = given === undefined ? [{ name, history }] : given;
    await expect(drawHistory(histories as never, options as never)).rejects.toThrow(ArgumentError);
    await expect(drawHistory(histories as never, options as never)).rejects.toThrow(message);
  });
});

describe('what charts are made of', () => {
  it('has round ticks within the range', () => {
    expect(ticksOf([0, 14], 7, 1)).toEqual([0, 2, 4, 6, 8, 10, 12, 14]);
    expect(ticksOf([0, 1], 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(ticksOf([-0.3, 0.31], 3)).toEqual([-0.2, 0, 0.2]);
    expect(ticksOf([0, 3], 8, 1)).toEqual([0, 1, 2, 3]);
    expect(ticksOf([0.49, 0.51], 3)).toEqual([0.49, 0.5, 0.51]);
  });

  it('draws 2 pixels a point, and of what is very large fewer', () => {
    expect(zoomOf('<svg xmlns="x" width="300" height="200" viewBox="0 0 300 200">')).toBe(2);
    expect(zoomOf('<?xml version="1.0"?>\n<svg width="782pt" height="684pt"\n viewBox="0 0 1 1">')).toBe(2);
    expect(zoomOf('<svg width="8192" height="32768">')).toBe(0.5);
    expect(zoomOf('<svg>')).toBe(2);
  });

  it('counts a weight of the upper end in the last bin', () => {
    const counts = binCounts([0, 0.04, 0.05, 0.999, 1], 1);
    expect([counts[0], counts[1], counts[19]]).toEqual([2, 1, 2]);
    expect(counts.reduce((a, b) => a + b)).toBe(5);
  });

  it('takes the first and the last of many moments', () => {
    expect(someOf([...Array(51).keys()])).toEqual([0, 17, 33, 50]);
    expect(someOf([1, 2])).toEqual([1, 2]);
    expect(someOf([1])).toEqual([1]);
  });

  it('gives every operation a colour of its own', () => {
    const operations = [...history.layout.tables.normal.rows[0].candidates, 'none', 'mine', 'yours', 'constructor'];
    const colours = operationColours(operations);
    expect(new Set(colours.values()).size).toBe(operations.length);
    expect([...colours.values()].filter((colour) => !/^#[0-9a-f]{6}$/.test(colour))).toEqual([]);
    expect([heatColour(0).fill, heatColour(1).fill]).toEqual(['#440154', '#fde725']);
  });
});
