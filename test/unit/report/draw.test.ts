import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import type { Genotype } from '../../../src/genotype/genotype.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { cellsToDot } from '../../../src/report/dot.ts';
import { drawGenotype, type PictureFormat } from '../../../src/report/draw.ts';
import { randomGenotype } from '../genotype/random_genotype.ts';

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
