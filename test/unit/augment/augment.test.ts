import { describe, expect, it } from 'vitest';
import { type AugmentSettings, augment, augmentsImages, checkAugmentation } from '../../../src/augment/augment.ts';
import { applyOperation, autoAugment } from '../../../src/augment/auto_augment.ts';
import { central, drawCrop, enlarge } from '../../../src/augment/crop.ts';
import type { Image } from '../../../src/augment/image.ts';
import { jitter } from '../../../src/augment/jitter.ts';
import { type OperationName, policies, policyNames } from '../../../src/augment/policies.ts';
import { randomOf } from '../../../src/augment/random.ts';
import { ArgumentError } from '../../../src/errors.ts';
import { randomBlock } from '../../../src/random/philox.ts';
import { draws, noise } from './images.ts';

const picture = noise(32, 32);
const off: AugmentSettings = { randomResizedCrop: false, autoAugment: 'off', colorJitter: 0, hueJitter: 0 };
const differ = (a: Image, b: Image) => a.pixels.some((value, i) => value !== b.pixels[i]);

describe('randomOf', () => {
  const stream = { seed: 9, purpose: 'imageAugmentation', epoch: 2, step: 7 } as const;

  it('gives the words of its stream in order', () => {
    const random = randomOf(stream);
    const words = [...randomBlock(stream, 0), ...randomBlock(stream, 1)];
    expect(words.map(() => random.next() * 2 ** 32)).toEqual(words);
  });

  it('stays within what is asked for', () => {
    const random = randomOf(stream);
    const seen = new Set(Array.from({ length: 200 }, () => random.below(4)));
    expect([...seen].sort()).toEqual([0, 1, 2, 3]);
    const numbers = Array.from({ length: 200 }, () => random.between(-2, 3));
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(-2);
    expect(Math.max(...numbers)).toBeLessThan(3);
    expect(Math.max(...numbers) - Math.min(...numbers)).toBeGreaterThan(4.5);
  });
});

describe('AutoAugment', () => {
  const graded: OperationName[] = [
    ...(['shearX', 'shearY', 'translateX', 'translateY', 'rotate'] as const),
    ...(['brightness', 'color', 'contrast', 'sharpness', 'posterize', 'solarize'] as const),
  ];

  it.each(graded)('%s changes nothing at magnitude 0 and something at 9', (name) => {
    expect(applyOperation(picture, name, 0, 1)).toEqual(picture);
    expect(differ(applyOperation(picture, name, 9, 1), picture)).toBe(true);
  });

  it.each(graded.slice(0, 9))('%s has two directions', (name) => {
    expect(differ(applyOperation(picture, name, 5, 1), applyOperation(picture, name, 5, -1))).toBe(true);
  });

  it('goes to the ends of the published ranges', () => {
    const grey: Image = { pixels: new Uint8Array(3).fill(100), shape: [1, 1, 3] };
    expect(applyOperation(grey, 'brightness', 9, 1).pixels[0]).toBe(190);
    expect(applyOperation(grey, 'brightness', 9, -1).pixels[0]).toBe(9);
    expect(applyOperation({ ...grey, pixels: Uint8Array.of(255, 255, 255) }, 'posterize', 9, 1).pixels[0]).toBe(240);
    expect(applyOperation(grey, 'solarize', 9, 1).pixels[0]).toBe(155);
    // 150 of 331 pixels of 32: 14 whole ones.
    const moved = applyOperation(picture, 'translateX', 9, 1);
    expect([...moved.pixels.subarray(14 * 3, 32 * 3)]).toEqual([...picture.pixels.subarray(0, 18 * 3)]);
  });

  it.each(policyNames)(
    '%s has 25 sub-policies of two operations, with magnitudes where they mean something',
    (name) => {
      expect(policies[name].length).toBe(25);
      for (const step of policies[name].flat()) {
        const [operation, probability, magnitude] = step;
        expect(probability).toBeGreaterThanOrEqual(0);
        expect(probability).toBeLessThanOrEqual(1);
        expect(magnitude !== undefined, operation).toBe(graded.includes(operation));
      }
    },
  );

  it('has the published sub-policies', () => {
    const { cifar10, imagenet, svhn } = policies;
    expect([cifar10[0], cifar10[13], cifar10[24]]).toEqual([
      [
        ['invert', 0.1],
        ['contrast', 0.2, 6],
      ],
      [
        ['brightness', 0.9, 6],
        ['color', 0.2, 8],
      ],
      [
        ['translateY', 0.7, 9],
        ['autoContrast', 0.9],
      ],
    ]);
    expect([imagenet[0], imagenet[17]]).toEqual([
      [
        ['posterize', 0.4, 8],
        ['rotate', 0.6, 9],
      ],
      [
        ['sharpness', 0.4, 7],
        ['invert', 0.6],
      ],
    ]);
    expect([svhn[0], svhn[18]]).toEqual([
      [
        ['shearX', 0.9, 4],
        ['invert', 0.2],
      ],
      [
        ['shearY', 0.3, 7],
        ['translateX', 0.9, 3],
      ],
    ]);
  });

  it.each(policyNames)('%s applies each sub-policy to some images, the same every time', (name) => {
    const results = Array.from({ length: 120 }, (_, i) => autoAugment(picture, name, draws(i)));
    const again = Array.from({ length: 120 }, (_, i) => autoAugment(picture, name, draws(i)));
    expect(results).toEqual(again);
    for (const { pixels, shape } of results)
      expect([pixels.length, shape]).toEqual([picture.pixels.length, [32, 32, 3]]);
    const kinds = new Set(results.map(({ pixels }) => pixels.join()));
    expect(kinds.size).toBeGreaterThan(25);
    expect(results.filter((result) => differ(result, picture)).length).toBeGreaterThan(60);
  });

  it('leaves out an operation as often as its probability says', () => {
    // SVHN's first sub-policy shears in 9 of 10 images: those whose first draw picks it, told by the corner's mid-grey.
    const [[name, probability]] = policies.svhn[0];
    expect([name, probability]).toEqual(['shearX', 0.9]);
    const picked = Array.from({ length: 10_000 }, (_, i) => i).filter((i) => draws(i).below(25) === 0);
    const sheared = picked.filter(isSheared);
    const share = sheared.length / picked.length;
    // Five deviations of a share of 0.9.
    expect(Math.abs(share - 0.9)).toBeLessThan(5 * Math.sqrt((0.9 * 0.1) / picked.length));
  });

  /** Whether one of the lower corners is mid-grey, inverted or not. */
  function isSheared(image: number): boolean {
    const black: Image = { pixels: new Uint8Array(32 * 32 * 3), shape: [32, 32, 3] };
    const { pixels } = autoAugment(black, 'svhn', draws(image));
    return pixels.includes(128) || pixels.includes(127);
  }
});

describe('jitter', () => {
  const grey: Image = { pixels: new Uint8Array(48).fill(128), shape: [4, 4, 3] };

  it('changes nothing at strength 0', () => {
    for (let i = 0; i < 20; i++) expect(jitter(picture, { strength: 0, hue: 0 }, draws(i))).toEqual(picture);
  });

  it('changes brightness by factors from 1 - strength to 1 + strength', () => {
    // Contrast and saturation do nothing to an even grey.
    const values = Array.from({ length: 500 }, (_, i) => jitter(grey, { strength: 0.4, hue: 0.2 }, draws(i)).pixels[0]);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(76);
    expect(Math.max(...values)).toBeLessThanOrEqual(179);
    expect(Math.max(...values) - Math.min(...values)).toBeGreaterThan(95);
  });

  it('turns hues by at most the share given, either way', () => {
    const red: Image = { pixels: Uint8Array.of(255, 0, 0), shape: [1, 1, 3] };
    const turned = Array.from({ length: 300 }, (_, i) => jitter(red, { strength: 0, hue: 0.1 }, draws(i)).pixels);
    // A tenth of the circle from red: at most 0.6 of the way to yellow or magenta.
    for (const [r, g, b] of turned)
      expect([r, g <= 153, b <= 153, g === 0 || b === 0]).toEqual([255, true, true, true]);
    expect(turned.some(([, g]) => g > 120) && turned.some(([, , b]) => b > 120)).toBe(true);
  });
});

describe('random resized crops', () => {
  it('lie within the image, of 0.08 to 1 of its area and 3/4 to 4/3 in aspect', () => {
    const shares: number[] = [];
    for (let i = 0; i < 500; i++) {
      const { top, left, height, width } = drawCrop(draws(i), 300, 400);
      expect(top >= 0 && left >= 0 && top + height <= 300 && left + width <= 400).toBe(true);
      // Sides are rounded to whole pixels, of which there are at least 70.
      expect(width / height).toBeGreaterThan(0.75 - 0.02);
      expect(width / height).toBeLessThan(4 / 3 + 0.02);
      shares.push((height * width) / 120_000);
    }
    expect(Math.min(...shares)).toBeGreaterThan(0.075);
    expect(Math.min(...shares)).toBeLessThan(0.12);
    expect(Math.max(...shares)).toBeGreaterThan(0.85);
  });

  it('of an image that is too narrow are its middle', () => {
    for (let i = 0; i < 20; i++) {
      const { height, width, top, left } = drawCrop(draws(i), 10, 1000);
      expect([height <= 10, width <= 14, left + width <= 1000, top + height <= 10]).toEqual([true, true, true, true]);
    }
    const never = { next: () => 0.999, between: (_: number, high: number) => high, below: () => 0 };
    expect(drawCrop(never, 10, 1000)).toEqual({ top: 0, left: 494, height: 10, width: 13 });
    expect(drawCrop(never, 1000, 10)).toEqual({ top: 494, left: 0, height: 13, width: 10 });
    expect(central({ height: 3, width: 4 }, 9, 8)).toEqual({ top: 3, left: 2, height: 3, width: 4 });
  });

  it('are enlarged between the centres of pixels', () => {
    const whole = { top: 0, left: 0, height: 32, width: 32 };
    expect(enlarge(picture, whole)).toEqual(picture);
    const row: Image = { pixels: Uint8Array.of(10, 20, 30, 90), shape: [1, 4, 1] };
    // Pixels 1 and 2 on four: centres at 0.25, 0.75, 1.25 and 1.75 of two.
    expect([...enlarge(row, { top: 0, left: 1, height: 1, width: 2 }).pixels]).toEqual([20, 23, 28, 30]);
    expect([...enlarge(row, { top: 0, left: 3, height: 1, width: 1 }).pixels]).toEqual([90, 90, 90, 90]);
  });
});

describe('augment', () => {
  it('does nothing where all is off', () => {
    expect(augmentsImages(off)).toBe(false);
    expect(augment(picture, off, draws(0))).toEqual(picture);
  });

  it.each([
    { randomResizedCrop: true },
    { autoAugment: 'cifar10' },
    { colorJitter: 0.4 },
    { hueJitter: 0.2 },
  ] as Partial<AugmentSettings>[])('does what %j asks for, by the image alone', (changes) => {
    const settings = { ...off, ...changes };
    expect(augmentsImages(settings)).toBe(true);
    const results = Array.from({ length: 40 }, (_, i) => augment(picture, settings, draws(i)));
    expect(results.filter((result) => differ(result, picture)).length).toBeGreaterThan(15);
    expect(results[7]).toEqual(augment(picture, settings, draws(7)));
  });

  it('refuses colours where there are none', () => {
    expect(() => checkAugmentation({ ...off, autoAugment: 'cifar10' }, [28, 28, 1])).toThrow(ArgumentError);
    expect(() => checkAugmentation({ ...off, hueJitter: 0.1 }, [28, 28, 1])).toThrow(
      'hueJitter takes images of three channels, but these have 1',
    );
    expect(() => checkAugmentation({ ...off, randomResizedCrop: true }, [28, 28, 1])).not.toThrow();
    expect(() => checkAugmentation({ ...off, autoAugment: 'svhn' }, [32, 32, 3])).not.toThrow();
  });
});
