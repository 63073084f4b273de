// The policy for CIFAR-10 as the code of FairDARTS has it: where it differs from the paper's.
import { describe, expect, it } from 'vitest';
import { type AugmentSettings, augment, placementOf } from '../../../src/augment/augment.ts';
import { applyOperation, autoAugment } from '../../../src/augment/auto_augment.ts';
import { rotate, shearX, shearY } from '../../../src/augment/geometry.ts';
import type { Image } from '../../../src/augment/image.ts';
import { place } from '../../../src/augment/place.ts';
import { policies } from '../../../src/augment/policies.ts';
import { draws, noise } from './images.ts';

const picture = noise(32, 32);

/** Rows of grey pixels. */
function grey(rows: readonly (readonly number[])[]): Image {
  return { pixels: Uint8Array.from(rows.flat().flatMap((v) => [v, v, v])), shape: [rows.length, rows[0].length, 3] };
}

/** Of a pixel of grey. */
const at = ({ pixels, shape }: Image, y: number, x: number) => pixels[(y * shape[1] + x) * 3];

describe('the policy of FairDARTS', () => {
  it("is the paper's but for sub-policy 17", () => {
    const different = policies.fairdarts.flatMap((one, i) => (one === policies.cifar10[i] ? [] : [[i + 1, one]]));
    const sub = [
      ['equalize', 0.2],
      ['equalize', 0.8],
    ];
    expect(different).toEqual([[17, sub]]);
    expect(policies.cifar10[16]).toEqual([sub[0], ['equalize', 0.6]]);
    expect(policies.fairdarts.length).toBe(25);
  });

  it('rotates counter-clockwise whatever the sign', () => {
    const expected = rotate(picture, 10);
    for (const sign of [1, -1] as const) {
      expect(applyOperation(picture, 'rotate', 3, sign, 'fairdarts')).toEqual(expected);
    }
    expect(applyOperation(picture, 'rotate', 3, -1)).toEqual(rotate(picture, -10));
  });

  it('takes translations as they are: the pixel at floor(x + 0.5 + shift)', () => {
    for (const sign of [1, -1] as const) {
      for (const [magnitude, name] of [
        [9, 'translateX'],
        [3, 'translateY'],
      ] as const) {
        const shift = -sign * (magnitude / 9) * (150 / 331) * 32;
        const moved = applyOperation(picture, name, magnitude, sign, 'fairdarts');
        for (let i = 0; i < 32; i++) {
          const from = Math.floor(i + 0.5 + shift);
          const [y, x] = name === 'translateX' ? [7, i] : [i, 7];
          const source = name === 'translateX' ? [7, from] : [from, 7];
          expect(at(moved, y, x)).toBe(from >= 0 && from < 32 ? at(picture, source[0], source[1]) : 128);
        }
      }
    }
  });

  it('shears bicubically, as PIL 11.3 gives it', () => {
    const image = grey([
      [0, 40, 255, 90],
      [200, 10, 60, 120],
      [30, 255, 5, 77],
    ]);
    expect(shearX(image, 0.3, 'bicubic')).toEqual(
      grey([
        [1, 79, 253, 72],
        [108, 0, 93, 128],
        [233, 67, 47, 128],
      ]),
    );
    expect(shearY(image, -0.2, 'bicubic')).toEqual(
      grey([
        [0, 44, 255, 128],
        [193, 0, 164, 101],
        [48, 179, 8, 111],
      ]),
    );
    expect(applyOperation(picture, 'shearX', 6, -1, 'fairdarts')).toEqual(shearX(picture, 0.3 * -(6 / 9), 'bicubic'));
    expect(applyOperation(picture, 'shearY', 9, 1, 'fairdarts')).toEqual(shearY(picture, 0.3, 'bicubic'));
  });

  it('leaves all else as in the paper', () => {
    for (const name of ['color', 'contrast', 'brightness', 'sharpness', 'posterize', 'solarize', 'equalize'] as const) {
      expect(applyOperation(picture, name, 4, -1, 'fairdarts')).toEqual(applyOperation(picture, name, 4, -1));
    }
    // 8 to 4 bits in ten equal steps, rounded: magnitude 7 keeps 5.
    const white = grey([[255]]);
    expect(applyOperation(white, 'posterize', 7, 1, 'fairdarts')).toEqual(grey([[0b11111000]]));
  });

  it('works on images that are cropped and mirrored already', () => {
    const settings: AugmentSettings = {
      ...{ randomResizedCrop: false, autoAugment: 'fairdarts', colorJitter: 0, hueJitter: 0 },
      placement: { pad: 4, flip: true },
    };
    for (let i = 0; i < 20; i++) {
      const random = draws(i);
      const placed = place(picture, { pad: 4, flip: true }, random);
      expect(augment(picture, settings, draws(i))).toEqual(autoAugment(placed, 'fairdarts', random));
    }
  });
});

describe('place', () => {
  const image = grey([
    [1, 2, 3],
    [4, 5, 6],
    [7, 8, 9],
  ]);

  it('pads with black, crops and mirrors as its numbers say', () => {
    const fixed = (numbers: readonly number[], last: number) => {
      const left = [...numbers];
      return { next: () => last, between: () => 0, below: () => left.shift()! };
    };
    // Of 5x5 with a border of one: from row 2 and column 1 on, which is one pixel down.
    expect(place(image, { pad: 1, flip: true }, fixed([2, 1], 0.7))).toEqual(
      grey([
        [4, 5, 6],
        [7, 8, 9],
        [0, 0, 0],
      ]),
    );
    // Mirrored behind the crop: column -1 is black.
    expect(place(image, { pad: 1, flip: true }, fixed([1, 0], 0.2))).toEqual(
      grey([
        [2, 1, 0],
        [5, 4, 0],
        [8, 7, 0],
      ]),
    );
    expect(place(image, { pad: 1, flip: false }, fixed([1, 1], 0.2))).toEqual(image);
  });

  it('takes every place and both sides', () => {
    const seen = new Set(
      Array.from({ length: 400 }, (_, i) => place(image, { pad: 1, flip: true }, draws(i)).pixels.join()),
    );
    expect(seen.size).toBe(18);
  });
});

describe('placementOf', () => {
  it('is asked for by that policy alone, without padding beside a random resized crop', () => {
    const usual = { pad: 4, flip: true };
    expect(placementOf({ autoAugment: 'cifar10', randomResizedCrop: false }, usual)).toBeUndefined();
    expect(placementOf({ autoAugment: 'off', randomResizedCrop: false }, usual)).toBeUndefined();
    expect(placementOf({ autoAugment: 'fairdarts', randomResizedCrop: false }, usual)).toEqual(usual);
    expect(placementOf({ autoAugment: 'fairdarts', randomResizedCrop: true }, usual)).toEqual({ pad: 0, flip: true });
  });
});
