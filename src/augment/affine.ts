// Random affine maps, drawn and applied as torchvision's RandomAffine does, within the bounds that StacNAS' code (arXiv:1909.11926) has for
// MNIST and FashionMNIST.
import { type AffineMatrix, affine, mirror, turnOver } from './geometry.ts';
import type { Image } from './image.ts';
import type { Random } from './random.ts';

/** What a method may ask for: `published` turns clothes upside down by chance, as that code does; `mirrored` mirrors them instead. */
export const affineChoices = ['off', 'published', 'mirrored'] as const;

/** One of {@link affineChoices}. */
export type AffineChoice = (typeof affineChoices)[number];

/** What becomes of an image behind its map, with probability one half. */
export type AffineFlip = 'none' | 'upsideDown' | 'mirrored';

/** A map about the centre of an image, in the parameters of torchvision. */
export interface AffineMap {
  /** Clockwise, in degrees. */
  readonly angle: number;
  /** In whole pixels. */
  readonly right: number;
  readonly down: number;
  readonly scale: number;
  /** Horizontal, in degrees. */
  readonly shear: number;
}

/** Either way, in degrees. */
const mostAngle = 15;
/** Either way, as a share of the side. */
const mostShift = 0.1;
const scales = [0.9, 1.1] as const;
/** Either way, in degrees. */
const mostShear = 0.1;

const black = 0;

/** A map of an image of this size. */
export function drawAffine(random: Random, height: number, width: number): AffineMap {
  const either = (most: number) => random.between(-most, most);
  return {
    angle: either(mostAngle),
    right: Math.round(either(mostShift * width)),
    down: Math.round(either(mostShift * height)),
    scale: random.between(...scales),
    shear: either(mostShear),
  };
}

/** Moves an image by a random map, to the nearest pixel, with black beyond the border; then it may be flipped. */
export function moveAffinely(image: Image, flip: AffineFlip, random: Random): Image {
  const [height, width] = image.shape;
  const matrix = inverseOf(drawAffine(random, height, width), height, width);
  const moved = affine(image, inFixedPoint(matrix), { fill: black });
  const isFlipped = random.next() < 0.5;
  if (!isFlipped || flip === 'none') return moved;
  return flip === 'mirrored' ? mirror(moved) : turnOver(moved);
}

/**
 * Where each place of the result comes from. The map is x' = c + shift + scale · R(angle) · S(shear) · (x - c) with S = [[1, -tan], [0, 1]], so
 * the way back is c + S⁻¹ R⁻¹ (x' - c - shift) / scale.
 */
function inverseOf({ angle, right, down, scale, shear }: AffineMap, height: number, width: number): AffineMatrix {
  const [rotation, slant] = [(angle * Math.PI) / 180, Math.tan((shear * Math.PI) / 180)];
  const [cosine, sine] = [Math.cos(rotation) / scale, Math.sin(rotation) / scale];
  const [a, b, d, e] = [cosine - slant * sine, sine + slant * cosine, -sine, cosine];
  const [x, y] = [width / 2, height / 2];
  return [a, b, x - a * (x + right) - b * (y + down), d, e, y - d * (x + right) - e * (y + down)];
}

/** Numbers as PIL rounds them for the nearest pixel: steps of 2⁻¹⁶, and the place of the first pixel's centre. */
function inFixedPoint([a, b, c, d, e, f]: AffineMatrix): AffineMatrix {
  const fixed = (value: number) => Math.floor(value * 65536 + 0.5) / 65536;
  const row = (x: number, y: number, shift: number) => {
    const [right, down] = [fixed(x), fixed(y)];
    return [right, down, fixed(shift + x / 2 + y / 2) - right / 2 - down / 2] as const;
  };
  return [...row(a, b, c), ...row(d, e, f)];
}
