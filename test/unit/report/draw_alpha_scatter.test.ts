import { describe, expect, it } from 'vitest';
import { drawAlphaScatter } from '../../../src/report/draw_alpha_scatter.ts';
import { labelPlaces } from '../../../src/report/label_places.ts';
import { widthOf } from '../../../src/report/svg.ts';

const frame = { x: 0, y: 0, width: 300, height: 200 };
const size = 10;

/** What labels take up. */
const boxesOf = (dots: readonly { readonly x: number; readonly y: number; readonly name: string }[]) =>
  labelPlaces(frame, dots, size).map(({ x, y, anchor }, i) => {
    const width = widthOf(dots[i].name, size);
    const left = anchor === 'end' ? x - width : anchor === 'middle' ? x - width / 2 : x;
    return { left, right: left + width, top: y - size * 0.86, bottom: y + size * 0.14 };
  });

describe('labelPlaces', () => {
  it('puts names beside their dots, on the side where there is room', () => {
    const [left, right] = labelPlaces(
      frame,
      [
        { x: 10, y: 50, name: 'left' },
        { x: 290, y: 150, name: 'right' },
      ],
      size,
    );
    expect([left.anchor, right.anchor]).toEqual(['start', 'end']);
  });

  it('lets no name hide another, also where dots lie on one another', () => {
    const dots = ['a name', 'another', 'a third', 'a fourth', 'a fifth'].map((name) => ({ x: 290, y: 100, name }));
    const boxes = boxesOf(dots);
    for (const [i, a] of boxes.entries()) {
      expect(a.left).toBeGreaterThanOrEqual(0);
      expect(a.right).toBeLessThanOrEqual(300);
      for (const b of boxes.slice(0, i)) {
        const apart = a.left >= b.right || b.left >= a.right || a.top >= b.bottom || b.top >= a.bottom;
        expect(apart, JSON.stringify([a, b])).toBe(true);
      }
    }
  });
});

describe('drawAlphaScatter', () => {
  const of = (candidate: string, accuracy: number, mixing: number) => ({ candidate, accuracy, mixing });
  /** StacNAS' figure. */
  const published = [
    of('max_pool_3x3', 0.9709, 0.159),
    of('skip_connect', 0.9726, 0.199),
    of('dil_conv_3x3', 0.9734, 0.187),
    of('sep_conv_3x3', 0.975, 0.285),
  ];

  it('has a dot and a name a candidate, and Pearson r in its title', () => {
    const svg = drawAlphaScatter('runs/<mine>', published);
    expect(svg.match(/<circle/g)).toHaveLength(4);
    for (const { candidate } of published) expect(svg).toContain(`>${candidate}</text>`);
    for (const text of ['Pearson r 0.907', 'runs/&lt;mine&gt;', 'stand-alone accuracy, %', 'mixing weight', '97.2']) {
      expect(svg).toContain(text);
    }
    const [first, last] = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].filter((_, i) => i % 3 === 0);
    // The best lies to the right, and above.
    expect(Number(last[1])).toBeGreaterThan(Number(first[1]));
    expect(Number(last[2])).toBeLessThan(Number(first[2]));
  });

  it('says so where r is not defined', () => {
    const svg = drawAlphaScatter('one', [published[0]]);
    expect(svg).toContain('Pearson r undefined');
    expect(svg).not.toContain('NaN');
  });

  it.each([[[]], [[{}]], [[of('a', 93, 0.1)]], [7], [undefined]])('refuses %j', (candidates) => {
    expect(() => drawAlphaScatter('a', candidates as never)).toThrow('as correlateAlpha gives them for candidates');
  });
});
