// Random affine maps against torchvision's own formula, written out here, and against their bounds.
import { describe, expect, it } from 'vitest';
import { type AffineMap, drawAffine, moveAffinely } from '../../../src/augment/affine.ts';
import { type AugmentSettings, augment, augmentsImages } from '../../../src/augment/augment.ts';
import { mirror, turnOver } from '../../../src/augment/geometry.ts';
import type { Image } from '../../../src/augment/image.ts';
import type { Random } from '../../../src/augment/random.ts';
import { draws, noise } from './images.ts';

/** Grey, 28x28, of values above 0, so that black is beyond the border. */
const digit: Image = {
  pixels: noise(28, 28)
    .pixels.subarray(0, 784)
    .map((v) => v | 1),
  shape: [28, 28, 1],
};
const wide: Image = { pixels: noise(20, 32).pixels, shape: [20, 32, 3] };

/** Numbers that give a map, and whether a flip follows. */
function numbersOf({ angle, right, down, scale, shear }: AffineMap, flips: boolean): Random {
  const left = [angle, right, down, scale, shear];
  return { between: () => left.shift()!, below: () => 0, next: () => (flips ? 0.2 : 0.7) };
}

/** _get_inverse_affine_matrix of torchvision.transforms.functional (0.15), with a vertical shear of 0, and PIL's affine_fixed. */
function byTorchvision({ pixels, shape }: Image, { angle, right, down, scale, shear }: AffineMap): Image {
  const [height, width, channels] = shape;
  const [rot, sx, sy] = [(angle * Math.PI) / 180, (shear * Math.PI) / 180, 0];
  const [cx, cy] = [width * 0.5, height * 0.5];
  const a = Math.cos(rot - sy) / Math.cos(sy);
  const b = (-Math.cos(rot - sy) * Math.tan(sx)) / Math.cos(sy) - Math.sin(rot);
  const c = Math.sin(rot - sy) / Math.cos(sy);
  const d = (-Math.sin(rot - sy) * Math.tan(sx)) / Math.cos(sy) + Math.cos(rot);
  const matrix = [d, -b, 0, -c, a, 0].map((x) => x / scale);
  matrix[2] += matrix[0] * (-cx - right) + matrix[1] * (-cy - down) + cx;
  matrix[5] += matrix[3] * (-cx - right) + matrix[4] * (-cy - down) + cy;
  const moved = new Uint8Array(pixels.length);
  // 16 bits behind the point, added up from the centre of the first pixel.
  const fix = (value: number) => Math.floor(value * 65536 + 0.5);
  const [a0, a1, a3, a4] = [matrix[0], matrix[1], matrix[3], matrix[4]].map(fix);
  const a2 = fix(matrix[2] + matrix[0] * 0.5 + matrix[1] * 0.5);
  const a5 = fix(matrix[5] + matrix[3] * 0.5 + matrix[4] * 0.5);
  for (let i = 0; i < height * width; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    const [column, row] = [(a2 + a0 * x + a1 * y) >> 16, (a5 + a3 * x + a4 * y) >> 16];
    if (column < 0 || column >= width || row < 0 || row >= height) continue;
    for (let k = 0; k < channels; k++) moved[i * channels + k] = pixels[(row * width + column) * channels + k];
  }
  return { pixels: moved, shape };
}

const none: AffineMap = { angle: 0, right: 0, down: 0, scale: 1, shear: 0 };
const moved = (image: Image, map: AffineMap) => moveAffinely(image, 'none', numbersOf(map, true));

describe('an affine map', () => {
  it('is that of torchvision', () => {
    for (let i = 0; i < 200; i++) {
      for (const image of [digit, wide]) {
        const map = drawAffine(draws(i), image.shape[0], image.shape[1]);
        expect(moved(image, map)).toEqual(byTorchvision(image, map));
      }
    }
    // Larger than any that is drawn, where a wrong sign or order shows in most pixels.
    const far = { angle: 40, right: 3, down: -5, scale: 1.4, shear: 25 };
    expect(moved(digit, far)).toEqual(byTorchvision(digit, far));
  });

  it('gives the pixels that PIL 11.3 gives for that formula', () => {
    const counted: Image = { pixels: Uint8Array.from({ length: 30 }, (_, i) => i + 1), shape: [5, 6, 1] };
    const { pixels } = moved(counted, { angle: 15, right: 1, down: -1, scale: 1.1, shear: 0.1 });
    expect([...pixels]).toEqual([
      ...[0, 13, 8, 9, 10, 11],
      ...[0, 19, 14, 15, 16, 17],
      ...[25, 20, 20, 21, 22, 23],
      ...[0, 26, 27, 28, 28, 23],
      ...[0, 0, 0, 0, 0, 30],
    ]);
  });

  it('turns clockwise, shifts to the right and down, and enlarges', () => {
    expect(moved(digit, none)).toEqual(digit);
    const at = ({ pixels }: Image, y: number, x: number) => pixels[28 * y + x];
    const shifted = moved(digit, { ...none, right: 2, down: 1 });
    expect(at(shifted, 11, 12)).toBe(at(digit, 10, 10));
    expect([at(shifted, 0, 5), at(shifted, 5, 1)]).toEqual([0, 0]);
    // What was on top is on the right.
    expect(at(moved(digit, { ...none, angle: 90 }), 9, 27)).toBe(at(digit, 0, 9));
    // Twice as large: pixels 14 and 15 show the first one right of the centre.
    const large = moved(digit, { ...none, scale: 2 });
    expect([at(large, 14, 14), at(large, 15, 15), at(large, 16, 16)]).toEqual(
      [14, 14, 15].map((place) => at(digit, place, place)),
    );
  });

  it('is drawn within the published bounds, up to their ends', () => {
    const maps = Array.from({ length: 4000 }, (_, i) => drawAffine(draws(i), 28, 28));
    const range = (name: keyof AffineMap) => {
      const values = maps.map((map) => map[name]);
      return [Math.min(...values), Math.max(...values)];
    };
    for (const [name, low, high] of [
      ['angle', -15, 15],
      ['scale', 0.9, 1.1],
      ['shear', -0.1, 0.1],
    ] as const) {
      const [least, most] = range(name);
      const margin = (high - low) / 200;
      expect([least >= low, least < low + margin, most <= high, most > high - margin]).toEqual(Array(4).fill(true));
    }
    // 2.8 pixels, rounded to whole ones.
    expect([range('right'), range('down')]).toEqual([
      [-3, 3],
      [-3, 3],
    ]);
    expect(maps.every(({ right, down }) => Number.isInteger(right) && Number.isInteger(down))).toBe(true);
    // Height and width each decide an axis of their own.
    const flat = Array.from({ length: 500 }, (_, i) => drawAffine(draws(i), 10, 50));
    expect(Math.max(...flat.map(({ right }) => right))).toBe(5);
    expect(Math.max(...flat.map(({ down }) => down))).toBe(1);
  });
});

describe('the flip behind it', () => {
  it.each([
    ['none', (image: Image) => image],
    ['upsideDown', turnOver],
    ['mirrored', mirror],
  ] as const)('%s follows the map', (flip, expected) => {
    const map = { angle: 7, right: 1, down: -2, scale: 1.05, shear: 0.1 };
    const plain = byTorchvision(digit, map);
    expect(moveAffinely(digit, flip, numbersOf(map, true))).toEqual(expected(plain));
    expect(moveAffinely(digit, flip, numbersOf(map, false))).toEqual(plain);
  });

  it('comes to every second image', () => {
    const count = 1000;
    const flipped = Array.from({ length: count }, (_, i) => i).filter((i) => {
      const [plain, other] = (['none', 'upsideDown'] as const).map((flip) => moveAffinely(digit, flip, draws(i)));
      return plain.pixels.some((value, place) => value !== other.pixels[place]);
    });
    // Five deviations of a share of a half.
    expect(Math.abs(flipped.length / count - 0.5)).toBeLessThan(5 * Math.sqrt(0.25 / count));
  });

  it('turns rows over, or columns', () => {
    const image: Image = { pixels: Uint8Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3, 1] };
    expect([...turnOver(image).pixels]).toEqual([4, 5, 6, 1, 2, 3]);
    expect([...mirror(image).pixels]).toEqual([3, 2, 1, 6, 5, 4]);
  });
});

describe('augmentation by affine maps', () => {
  it('moves each image by its own numbers, and takes images of any number of channels', () => {
    const settings: AugmentSettings = {
      ...{ randomResizedCrop: false, autoAugment: 'off', colorJitter: 0, hueJitter: 0 },
      placement: { affine: 'upsideDown' },
    };
    expect(augmentsImages(settings)).toBe(true);
    const results = Array.from({ length: 30 }, (_, i) => augment(digit, settings, draws(i)));
    expect(results[7]).toEqual(moveAffinely(digit, 'upsideDown', draws(7)));
    expect(new Set(results.map(({ pixels }) => pixels.join())).size).toBe(30);
    expect(augment(wide, settings, draws(3)).shape).toEqual(wide.shape);
  });
});
