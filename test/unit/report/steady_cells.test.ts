// Cells with steady places: what moves between genotypes, what covers what, every form of genotype.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Genotype, GenotypeCell } from '../../../src/genotype/genotype.ts';
import { publishedGenotypes } from '../../../src/genotype/published.ts';
import { randomRecurrentCell } from '../../../src/genotype/recurrent.ts';
import { parseGenotype } from '../../../src/genotype/text.ts';
import { arcsOf, arcText, labelHeight, labelWidth } from '../../../src/report/cell_places.ts';
import { textColourOn } from '../../../src/report/colours.ts';
import { steadyLayout, steadyParts, steadyPicture } from '../../../src/report/steady_cells.ts';
import { expectWellFormed } from '../../helpers/markup.ts';
import { root } from '../../helpers/process.ts';

const published = publishedGenotypes;
const one = (text: string) => parseGenotype(text);
const byPlace: Genotype = {
  cells: Array.from(
    { length: 8 },
    (_, i) => (i % 2 === 0 ? published['DARTS_V1'].normal : published['DARTS_V2'].reduce)!,
  ),
};

/** Searches of every form: their genotypes in order. */
const searches: Readonly<Record<string, readonly Genotype[]>> = {
  pairs: ['DARTS_V1', 'DARTS_V2', 'CDARTS_CIFAR', 'CDARTS_IMAGENET'].map((name) => published[name]),
  triples: ['FairDARTS_a', 'FairDARTS_b', 'FairDARTS_g', 'DCO_EDGE_BS_64'].map((name) => published[name]),
  recurrent: [1, 2, 3, 4, 5].map((seed) => randomRecurrentCell(seed)),
  'one cell': [
    one('|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|'),
    one('|none~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|'),
  ],
  'by place': [byPlace],
};

const cellsIn = (genotype: Genotype): GenotypeCell[] =>
  [genotype.normal, genotype.reduce, genotype.cell, genotype.recurrent, ...(genotype.cells ?? [])].filter(
    (cell) => cell !== undefined,
  );

describe.each(Object.entries(searches))('the cells of a search of %s', (_, genotypes) => {
  const layout = steadyLayout(genotypes);

  it('are whole pictures of one size', () => {
    for (const genotype of genotypes) {
      const svg = steadyPicture(layout, genotype);
      expectWellFormed(svg);
      expect(svg).toContain(`width="${Math.round(layout.width * 100) / 100}"`);
    }
  });

  it('show every operation of a genotype, and have each node at one place', () => {
    const placesOf = (svg: string) => [...svg.matchAll(/<rect (x="[\d.]+" y="[\d.]+") width="[\d.]+" height="22"/g)];
    const nodes = genotypes.map((genotype) => placesOf(steadyPicture(layout, genotype)).map(([, place]) => place));
    expect(new Set(nodes.map((places) => new Set(places).size)).size).toBe(1);
    for (const genotype of genotypes) {
      const labels = [...steadyPicture(layout, genotype).matchAll(/<text[^>]*font-size="10.5"[^>]*>([^<]*)</g)];
      const wanted = cellsIn(genotype).flatMap((cell) => arcsOf(cell).map(({ edge }) => arcText(edge)));
      expect(labels.map(([, text]) => text).sort()).toEqual(wanted.sort());
    }
  });

  it('have labels that cover no other label', () => {
    for (const cell of layout.cells) {
      const widths = new Map<string, number>();
      for (const genotype of genotypes) {
        for (const drawn of cellsIn(genotype)) {
          for (const { key, edge } of arcsOf(drawn)) {
            widths.set(key, Math.max(widths.get(key) ?? 0, labelWidth(arcText(edge))));
          }
        }
      }
      const labels = [...cell.arcs].map(([key, { label }]) => ({ x: label[0], y: label[1], width: widths.get(key)! }));
      labels.forEach((a, i) => {
        for (const b of labels.slice(i + 1)) {
          const apart = Math.abs(a.x - b.x) >= (a.width + b.width) / 2 || Math.abs(a.y - b.y) >= labelHeight;
          expect(apart).toBe(true);
        }
        expect(a.x - a.width / 2).toBeGreaterThan(0);
        expect(a.x + a.width / 2).toBeLessThan(cell.width);
        expect(a.y + labelHeight / 2).toBeLessThan(cell.height);
        expect(a.y - labelHeight / 2).toBeGreaterThan(0);
      });
    }
  });
});

describe('steadyPicture', () => {
  const [before, after] = [published['DARTS_V1'], published['DARTS_V2']];
  const layout = steadyLayout([before, after]);
  const bold = (svg: string) => [...svg.matchAll(/font-size="10.5"[^>]*font-weight="bold"/g)].length;

  it('emphasises the edges that are new, and none where there is nothing to compare with', () => {
    expect(bold(steadyPicture(layout, after))).toBe(0);
    expect(bold(steadyPicture(layout, after, { previous: after }))).toBe(0);
    const names = (genotype: Genotype) =>
      Object.entries({ normal: genotype.normal, reduce: genotype.reduce }).flatMap(([key, cell]) =>
        arcsOf(cell!).map(({ node, edge }) => `${key} ${node} ${edge.input} ${edge.operation}`),
      );
    const fresh = names(after).filter((name) => !names(before).includes(name));
    expect(fresh.length).toBeGreaterThan(0);
    expect(bold(steadyPicture(layout, after, { previous: before }))).toBe(fresh.length);
  });

  it('draws the same part alike in every picture', () => {
    const parts = new Map<string, string>();
    for (const genotype of [before, after]) {
      for (const { key, svg } of steadyParts(layout, genotype)) {
        expect(parts.get(key) ?? svg).toBe(svg);
        parts.set(key, svg);
      }
    }
  });

  it('takes names and weights of any kind as text, and cuts what is too long', () => {
    const operation = `<script>alert("&")</script>${'x'.repeat(500)}`;
    const cell = { nodes: [[{ operation, input: 0, weight: 0.23861 }]], concat: [2] };
    const hostile: Genotype = { normal: cell, reduce: cell };
    const svg = steadyPicture(steadyLayout([hostile]), hostile);
    expectWellFormed(svg);
    expect(svg).toContain('0.2386 × &lt;script&gt;');
    expect(svg).not.toContain('xxxx');
  });

  it('leaves out what its layout has no place for', () => {
    const small = steadyLayout([published['FairDARTS_a']]);
    expectWellFormed(steadyPicture(small, byPlace));
    expectWellFormed(steadyPicture(small, published['DCO_EDGE_BS_64']));
  });

  it('shows an isolated node of triples dashed, and a cell without any edge', () => {
    const empty: GenotypeCell = { nodes: [[], []], concat: [] };
    const genotype: Genotype = { normal: empty, reduce: empty, entries: 'triples' };
    const svg = steadyPicture(steadyLayout([genotype]), genotype);
    expectWellFormed(svg);
    expect([...svg.matchAll(/stroke-dasharray="3 2"/g)]).toHaveLength(4);
  });

  it('lays out a cell of hundreds of nodes in little time', () => {
    const many = [1, 2, 3].map((seed) => randomRecurrentCell(seed, 400));
    const start = performance.now();
    expectWellFormed(steadyPicture(steadyLayout(many), many[0]));
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it('loads in browsers: what it imports imports nothing of Node', () => {
    const seen = new Set<string>();
    const visit = (file: string) => {
      if (seen.has(file)) return;
      seen.add(file);
      const text = readFileSync(file, 'utf8');
      for (const [, path] of text.matchAll(/^(?:import|export) (?!type )[^;]*? from '([^']+)'/gm)) {
        expect(path.startsWith('.')).toBe(true);
        visit(join(dirname(file), path));
      }
    };
    visit(join(root, 'src/report/steady_cells.ts'));
    expect(seen.size).toBeGreaterThan(4);
  });
});

describe('textColourOn', () => {
  it('is read on its ground', () => {
    expect(textColourOn('#f0e442')).toBe('#111827');
    expect(textColourOn('#332288')).toBe('#ffffff');
  });
});
