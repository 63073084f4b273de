// Expected pixels are worked out by hand from what PIL documents of each operation.
import { describe, expect, it } from 'vitest';
import {
  autoContrast,
  brightness,
  contrast,
  equalize,
  invert,
  posterize,
  saturation,
  sharpness,
  solarize,
  turnHue,
} from '../../../src/augment/colour.ts';
import { rotate, shearX, shearY, translateX, translateY } from '../../../src/augment/geometry.ts';
import type { Image } from '../../../src/augment/image.ts';
import { noise } from './images.ts';

/** Rows of RGB pixels. */
function rgb(rows: readonly (readonly (readonly [number, number, number])[])[]): Image {
  return { pixels: Uint8Array.from(rows.flat(2)), shape: [rows.length, rows[0].length, 3] };
}

/** Rows of grey pixels. */
function grey(rows: readonly (readonly number[])[]): Image {
  return rgb(rows.map((row) => row.map((value) => [value, value, value] as const)));
}

const picture = noise(9, 7);
const flat = grey([
  [90, 90],
  [90, 90],
]);

describe('point operations', () => {
  it('invert, and twice is nothing', () => {
    expect(invert(rgb([[[0, 100, 255]]]))).toEqual(rgb([[[255, 155, 0]]]));
    expect(invert(invert(picture))).toEqual(picture);
  });

  it('solarize from the threshold on', () => {
    expect(solarize(rgb([[[0, 127, 128]], [[129, 200, 255]]]), 128)).toEqual(rgb([[[0, 127, 127]], [[126, 55, 0]]]));
    expect(solarize(picture, 256)).toEqual(picture);
    expect(solarize(picture, 0)).toEqual(invert(picture));
  });

  it('posterize to the highest bits', () => {
    expect(posterize(rgb([[[255, 31, 16]], [[15, 0, 240]]]), 4)).toEqual(rgb([[[240, 16, 16]], [[0, 0, 240]]]));
    expect(posterize(picture, 8)).toEqual(picture);
  });

  it('stretch each channel by itself', () => {
    // Red 50 to 150 by 2.55: 100 becomes 127.5, cut off; green is flat; blue is whole already.
    const image = rgb([
      [
        [50, 7, 0],
        [100, 7, 99],
        [150, 7, 255],
      ],
    ]);
    expect(autoContrast(image)).toEqual(
      rgb([
        [
          [0, 7, 0],
          [127, 7, 99],
          [255, 7, 255],
        ],
      ]),
    );
    expect(autoContrast(flat)).toEqual(flat);
  });

  it('equalize: a flat image stays, an even histogram stays, two halves go to both ends', () => {
    expect(equalize(flat)).toEqual(flat);
    const even = grey(Array.from({ length: 16 }, (_, y) => Array.from({ length: 16 }, (_, x) => 16 * y + x)));
    expect(equalize(even)).toEqual(even);
    const halves = (low: number, high: number) =>
      grey(Array.from({ length: 2 }, (_, y) => Array.from({ length: 255 }, () => (y === 0 ? low : high))));
    expect(equalize(halves(10, 20))).toEqual(halves(0, 255));
  });

  it('equalize by the cumulative histogram', () => {
    // 1024 pixels: 256 of each of four values; step (1024 - 256) / 255 = 3, from 1: floor((1, 257, 513, 769) / 3).
    const quarters = (values: readonly number[]) =>
      grey(values.map((value) => Array.from({ length: 256 }, () => value)));
    expect(equalize(quarters([5, 6, 7, 200]))).toEqual(quarters([0, 85, 171, 255]));
  });
});

describe('blends', () => {
  it('change nothing by a factor of 1', () => {
    for (const change of [brightness, contrast, saturation, sharpness]) expect(change(picture, 1)).toEqual(picture);
  });

  it('brightness: black, half, and cut off at white', () => {
    const image = rgb([[[0, 101, 200]]]);
    expect(brightness(image, 0)).toEqual(rgb([[[0, 0, 0]]]));
    expect(brightness(image, 0.5)).toEqual(rgb([[[0, 50, 100]]]));
    expect(brightness(image, 1.9)).toEqual(rgb([[[0, 191, 255]]]));
  });

  it('contrast around the mean grey, rounded', () => {
    const image = grey([[0, 255]]);
    expect(contrast(image, 0)).toEqual(grey([[128, 128]]));
    expect(contrast(image, 0.5)).toEqual(grey([[64, 191]]));
    expect(contrast(image, 1.5)).toEqual(grey([[0, 255]]));
  });

  it('saturation: 0.299 R + 0.587 G + 0.114 B at a factor of 0', () => {
    const primaries = rgb([
      [
        [255, 0, 0],
        [0, 255, 0],
        [0, 0, 255],
        [10, 10, 10],
      ],
    ]);
    expect(saturation(primaries, 0)).toEqual(grey([[76, 150, 29, 10]]));
    expect(saturation(rgb([[[100, 50, 50]]]), 2)).toEqual(rgb([[[135, 35, 35]]]));
  });

  it('sharpness against a smoothed inside, the border as it is', () => {
    const peak = (value: number) =>
      grey([
        [0, 0, 0],
        [0, value, 0],
        [0, 0, 26],
      ]);
    // (5 * 130 + 26) / 13 = 52.
    expect(sharpness(peak(130), 0)).toEqual(peak(52));
    expect(sharpness(peak(130), 2)).toEqual(peak(208));
    expect(sharpness(flat, 1.9)).toEqual(flat);
  });
});

describe('turnHue', () => {
  const primaries = rgb([
    [
      [255, 0, 0],
      [0, 255, 0],
      [0, 0, 255],
    ],
  ]);

  it('turns by thirds from one primary colour to the next', () => {
    const next = rgb([
      [
        [0, 255, 0],
        [0, 0, 255],
        [255, 0, 0],
      ],
    ]);
    expect(turnHue(primaries, 1 / 3)).toEqual(next);
    expect(turnHue(next, -1 / 3)).toEqual(primaries);
    expect(turnHue(rgb([[[200, 100, 50]]]), 1 / 2)).toEqual(rgb([[[50, 150, 200]]]));
  });

  it('leaves greys, and everything at 0 or a whole turn', () => {
    expect(turnHue(flat, 0.2)).toEqual(flat);
    expect(turnHue(picture, 0)).toEqual(picture);
    expect(turnHue(picture, 1)).toEqual(picture);
  });
});

describe('geometry', () => {
  const square = grey([
    [1, 2, 3],
    [4, 5, 6],
    [7, 8, 9],
  ]);

  it('translates by whole pixels, mid-grey from beyond the border', () => {
    expect(translateX(square, 1)).toEqual(
      grey([
        [128, 1, 2],
        [128, 4, 5],
        [128, 7, 8],
      ]),
    );
    expect(translateY(square, -2)).toEqual(
      grey([
        [7, 8, 9],
        [128, 128, 128],
        [128, 128, 128],
      ]),
    );
  });

  it('shears by the distance of pixel centres from the corner', () => {
    expect(shearX(square, 1)).toEqual(
      grey([
        [2, 3, 128],
        [6, 128, 128],
        [128, 128, 128],
      ]),
    );
    // Column x comes from floor(y + 0.5 - 0.3 * (x + 0.5)): one pixel higher from the third column on.
    expect(shearY(square, -0.3)).toEqual(
      grey([
        [1, 2, 128],
        [4, 5, 3],
        [7, 8, 6],
      ]),
    );
  });

  it('rotates counter-clockwise', () => {
    expect(rotate(square, 90)).toEqual(
      grey([
        [3, 6, 9],
        [2, 5, 8],
        [1, 4, 7],
      ]),
    );
    expect(rotate(square, -90)).toEqual(rotate(rotate(rotate(square, 90), 90), 90));
  });

  it('changes nothing at 0', () => {
    for (const move of [shearX, shearY, translateX, translateY, rotate]) expect(move(picture, 0)).toEqual(picture);
  });
});
