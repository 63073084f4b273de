import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import type { Genotype } from '../../../src/genotype/genotype.ts';
import { recurrentGenotypes } from '../../../src/genotype/published/recurrent.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { cellsToDot } from '../../../src/report/dot.ts';
import { drawGenotype, type PictureFormat } from '../../../src/report/draw.ts';
import { randomGenotype, randomTriples } from '../genotype/random_genotype.ts';

const hostileName = '"]; <b> & &lt; \\N \\';
const cell = { nodes: [[{ operation: hostileName, input: 0 }]], concat: [2] };
const hostile: Genotype = { normal: cell, reduce: cell };

/** The texts of an SVG, entities resolved. */
function textsOf(svg: string): string[] {
  const entities: Record<string, string> = { lt: '<', gt: '>', quot: '"', amp: '&' };
  return [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) =>
    text.replace(/&(?:#(\d+)|(\w+));/g, (_, code, name) => (code ? String.fromCharCode(Number(code)) : entities[name])),
  );
}

const lightBlue = '#add8e6';
const grey = '#e5e7eb';

/** The lines of one cell. */
function linesOf(genotype: Genotype, type: string): string {
  return new RegExp(`subgraph "cluster ${type}" \\{([\\s\\S]*?)\\n {2}\\}`).exec(cellsToDot(genotype))?.[1] ?? '';
}

/** Fill colours by number. */
function nodesOf(lines: string): Record<string, string> {
  const nodes = lines.matchAll(/"\w+ \d" \[label="(\d)", shape=circle, style=filled, fillcolor="([^"]+)"/g);
  return Object.fromEntries([...nodes].map(([, node, fill]) => [node, fill]));
}

/** The nodes that are joined to the output. */
function joined(lines: string): string[] {
  return [...lines.matchAll(/"\w+ (\d)" -> "\w+ c_\{k\}":w/g)].map(([, node]) => node).sort();
}

describe('cellsToDot', () => {
  it('holds both cells with every operation, input and output', () => {
    const dot = cellsToDot(genotypes.NASNet);
    for (const text of ['normal cell', 'reduction cell', 'fontname="Arimo"', 'c_{k-2}', 'c_{k-1}', 'c_{k}']) {
      expect(dot).toContain(text);
    }
    expect(dot.match(/arrowhead=none/g)).toHaveLength(20);
    expect(dot).toContain('"normal c_{k-1}":e -> "normal 0.0":w');
    expect(dot).toContain('"reduce 3.0" [label="skip_connect"');
    expect(dot).toContain('"reduce 3" -> "reduce c_{k}":w');
    expect(dot).not.toContain('"reduce 1" -> "reduce c_{k}":w');
  });

  it('leaves out an isolated node of triples that nothing reads, and draws it grey and unjoined where something does', () => {
    const unread = linesOf(genotypes.FairDARTS_a, 'normal');
    expect(nodesOf(unread)).toEqual({ 0: lightBlue, 2: lightBlue, 3: lightBlue });
    expect(joined(unread)).toEqual(['0', '2', '3']);
    const read = linesOf(genotypes.FairDARTS_c, 'normal');
    expect(nodesOf(read)).toEqual({ 0: lightBlue, 1: grey, 2: lightBlue, 3: lightBlue });
    expect(joined(read)).toEqual(['0', '2', '3']);
    expect(read).toContain('"normal 3.0" [label="skip_connect"');
    expect(read).toContain('"normal 1":e -> "normal 3.0":w');
    expect(joined(linesOf(genotypes.FairDARTS_c, 'reduce'))).toEqual(['0', '1', '2', '3']);
  });

  it('draws every operation of an edge of triples as an arrow of its own', () => {
    const dot = linesOf(genotypes.DCO_EDGE_BS_64, 'reduce');
    expect(dot.match(/arrowhead=none/g)).toHaveLength(28);
    const fromZeroToOne = [...dot.matchAll(/"reduce 0":e -> ("reduce 1\.\d"):w/g)].map(([, label]) => label);
    expect(fromZeroToOne).toEqual(['"reduce 1.4"', '"reduce 1.5"']);
    expect(dot).toContain('"reduce 1.4" [label="skip_connect"');
    expect(dot).toContain('"reduce 1.5" [label="sep_conv_5x5"');
  });

  it('colours inputs, nodes and outputs of triples as published', () => {
    const dot = cellsToDot(genotypes.FairDARTS_b);
    expect(dot.match(/\[label="c_\{k-[12]\}", fillcolor="#b4eeb4"/g)).toHaveLength(4);
    expect(dot.match(/\[label="c_\{k\}", fillcolor="#eee8aa"/g)).toHaveLength(2);
    expect(cellsToDot(genotypes.DARTS)).not.toMatch(/#b4eeb4|#eee8aa|#add8e6/);
  });

  it('draws a recurrent cell with x and h before, in the published colours, and its own nodes at the output', () => {
    const dot = cellsToDot(recurrentGenotypes['ENAS_RNN']);
    expect(dot.match(/\[label="(x_\{t\}|h_\{t-1\})", fillcolor="#b4eeb4"/g)).toHaveLength(2);
    expect(dot.match(/shape=circle, style=filled, fillcolor="#add8e6"/g)).toHaveLength(12);
    expect(dot).toContain('[label="h_{t}", fillcolor="#eee8aa"');
    expect(dot).toContain('"recurrent x_{t}" -> "recurrent 0"');
    expect(dot).toContain('"recurrent h_{t-1}" -> "recurrent 0"');
    const sources = [...dot.matchAll(/"recurrent (\d+)" -> "recurrent h_\{t\}"/g)].map(([, state]) => Number(state));
    expect(sources).toEqual([2, 5, 6, 9, 10, 11]);
    for (const [node, [{ operation, input }]] of recurrentGenotypes['ENAS_RNN'].recurrent.nodes.entries()) {
      expect(dot).toContain(`"recurrent ${node}.0" [label="${operation}"`);
      expect(dot).toContain(`"recurrent ${input}":e -> "recurrent ${node}.0":w`);
      expect(dot).toContain(`"recurrent ${node}.0":e -> "recurrent ${node + 1}" `);
    }
  });

  it('shows weights at their label, rounded', () => {
    const dot = cellsToDot(genotypes.DARTS_EXP1_RE1);
    expect(dot).toContain('"normal 0.0" [label="0.2386 × skip_connect"');
    const edge = { operation: 'none', input: 0, weight: 0.3333333432674408 };
    const one = { nodes: [[edge]], concat: [2] };
    expect(cellsToDot({ normal: one, reduce: one })).toContain('[label="0.3333 × none"');
  });

  it('refuses a faulty genotype', () => {
    expect(() => cellsToDot({ ...hostile, normal: { nodes: [], concat: [] } })).toThrow(ArgumentError);
  });
});

describe('drawGenotype', () => {
  it('draws every label as SVG', async () => {
    const svg = await drawGenotype(genotypes.DARTS_V2, 'svg');
    const texts = textsOf(svg);
    expect(texts.filter((text) => text === 'max_pool_3x3')).toHaveLength(5);
    expect(texts.filter((text) => text === 'skip_connect')).toHaveLength(5);
    expect(texts.filter((text) => /^c_\{k(-[12])?\}$/.test(text))).toHaveLength(6);
    expect(texts).toEqual(expect.arrayContaining(['normal cell', 'reduction cell', '0', '1', '2', '3']));
  });

  it('puts the normal cell above the reduction cell', async () => {
    const svg = await drawGenotype(genotypes.DARTS_V2, 'svg');
    const height = (title: string) => Number(new RegExp(` y="([-\\d.]+)"[^>]*>${title}<`).exec(svg)?.[1]);
    expect(height('normal cell')).toBeLessThan(height('reduction cell'));
  });

  it('draws operations of one’s own as they are written', async () => {
    expect(textsOf(await drawGenotype(hostile, 'svg')).filter((text) => text === hostileName)).toHaveLength(2);
    for (let seed = 0; seed < 10; seed++) {
      const genotype = randomGenotype(seed);
      const texts = textsOf(await drawGenotype(genotype, 'svg'));
      for (const { operation } of [...genotype.normal.nodes, ...genotype.reduce.nodes].flat()) {
        expect(texts).toContain(operation);
      }
    }
  });

  it('draws a recurrent cell from left to right', async () => {
    const svg = await drawGenotype(recurrentGenotypes['DARTS_V2_RNN'], 'svg');
    const texts = textsOf(svg);
    expect(texts).toEqual(expect.arrayContaining(['recurrent cell', 'x_{t}', 'h_{t-1}', 'h_{t}', 'identity', '8']));
    expect(texts.filter((text) => text === 'relu')).toHaveLength(3);
    const place = (text: string) => Number(new RegExp(` x="([-\\d.]+)"[^>]*>${text}<`).exec(svg)?.[1]);
    const places = ['x_\\{t\\}', '0', '1', '2', '5', '8', 'h_\\{t\\}'].map(place);
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });

  it('draws a cell without entries from left to right', async () => {
    const empty = { nodes: [[], [], [], []], concat: [] };
    const svg = await drawGenotype({ entries: 'triples', normal: empty, reduce: empty }, 'svg');
    const place = (text: string) => Number(new RegExp(` x="([-\\d.]+)"[^>]*>${text}<`).exec(svg)?.[1]);
    expect(place('c_\\{k&#45;1\\}')).toBeLessThan(place('c_\\{k\\}'));
    expect(textsOf(svg)).toHaveLength(2 + 2 * 3);
  });

  it('draws triples of any kind', async () => {
    for (let seed = 0; seed < 10; seed++) {
      const genotype = randomTriples(seed);
      const texts = textsOf(await drawGenotype(genotype, 'svg'));
      for (const { operation } of [...genotype.normal.nodes, ...genotype.reduce.nodes].flat()) {
        expect(texts).toContain(operation);
      }
    }
  });

  it('draws PNG with text: pictures that differ in one digit differ', async () => {
    const [three, five] = ['sep_conv_3x3', 'sep_conv_5x5'].map((operation) => {
      const single = { nodes: [[{ operation, input: 0 }]], concat: [2] };
      return { normal: single, reduce: single };
    });
    expect(await drawGenotype(three, 'png')).toEqual(await drawGenotype(three, 'png'));
    expect(await drawGenotype(three, 'png')).not.toEqual(await drawGenotype(five, 'png'));
  });

  it('draws PNG at two pixels a point', async () => {
    const png = await drawGenotype(genotypes.DARTS_V2, 'png');
    expect([...png.subarray(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
    const size = new DataView(png.buffer, png.byteOffset + 16, 8);
    expect(size.getUint32(0)).toBeGreaterThan(1000);
    expect(size.getUint32(4)).toBeGreaterThan(800);
  });

  it('gives DOT as it is, the same each time', async () => {
    expect(await drawGenotype(genotypes.DARTS_V1, 'dot')).toBe(cellsToDot(genotypes.DARTS_V1));
    expect(await drawGenotype(genotypes.DARTS_V1, 'svg')).toBe(await drawGenotype(genotypes.DARTS_V1, 'svg'));
  });

  it('refuses other formats', async () => {
    await expect(drawGenotype(hostile, 'gif' as PictureFormat)).rejects.toThrow(
      "expected 'svg', 'png' or 'dot' for format",
    );
  });
});
