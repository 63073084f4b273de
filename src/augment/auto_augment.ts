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
} from './colour.ts';
import { rotate, shearX, shearY, translateX, translateY } from './geometry.ts';
import type { Image } from './image.ts';
import { type OperationName, type PolicyName, policies } from './policies.ts';
import type { Random } from './random.ts';

/** An operation at a magnitude: `amount` is the magnitude's share of the largest, with a random sign where the operation has two directions. */
type Operation = (image: Image, amount: number) => Image;

/** Largest translation as a share of the image: 150 of the 331 pixels that the authors' images had. */
const translation = 150 / 331;
const largestMagnitude = 9;

const turned: ReadonlySet<OperationName> = new Set<OperationName>([
  ...(['shearX', 'shearY', 'translateX', 'translateY', 'rotate'] as const),
  ...(['brightness', 'color', 'contrast', 'sharpness'] as const),
]);

// Ranges of table 6 of the paper.
const operations: Readonly<Record<OperationName, Operation>> = {
  shearX: (image, amount) => shearX(image, 0.3 * amount),
  shearY: (image, amount) => shearY(image, 0.3 * amount),
  translateX: (image, amount) => translateX(image, Math.trunc(translation * image.shape[1] * amount)),
  translateY: (image, amount) => translateY(image, Math.trunc(translation * image.shape[0] * amount)),
  rotate: (image, amount) => rotate(image, 30 * amount),
  brightness: (image, amount) => brightness(image, 1 + 0.9 * amount),
  color: (image, amount) => saturation(image, 1 + 0.9 * amount),
  contrast: (image, amount) => contrast(image, 1 + 0.9 * amount),
  sharpness: (image, amount) => sharpness(image, 1 + 0.9 * amount),
  posterize: (image, amount) => posterize(image, 8 - Math.round(4 * amount)),
  solarize: (image, amount) => solarize(image, 256 * (1 - amount)),
  autoContrast,
  equalize,
  invert,
};

/** Operations of policies whose code differs from the paper. */
const ownOperations: Partial<Record<PolicyName, Partial<Record<OperationName, Operation>>>> = {
  fairdarts: {
    shearX: (image, amount) => shearX(image, 0.3 * amount, 'bicubic'),
    shearY: (image, amount) => shearY(image, 0.3 * amount, 'bicubic'),
    translateX: (image, amount) => translateX(image, translation * image.shape[1] * amount),
    translateY: (image, amount) => translateY(image, translation * image.shape[0] * amount),
    // Always counter-clockwise.
    rotate: (image, amount) => rotate(image, 30 * Math.abs(amount)),
  },
};

/** Applies an operation of AutoAugment, as a policy has it, at a magnitude from 0 to 9, in the direction of `sign`. */
export function applyOperation(
  image: Image,
  name: OperationName,
  magnitude: number,
  sign: 1 | -1,
  policy: PolicyName = 'cifar10',
): Image {
  const amount = magnitude / largestMagnitude;
  const operation = ownOperations[policy]?.[name] ?? operations[name];
  return operation(image, turned.has(name) ? sign * amount : amount);
}

/** Applies a random sub-policy of a policy to an RGB image. */
export function autoAugment(image: Image, policy: PolicyName, random: Random): Image {
  const steps = policies[policy];
  let augmented = image;
  for (const [name, probability, magnitude = 0] of steps[random.below(steps.length)]) {
    // Both are drawn whether they are needed or not, so that one operation does not move the numbers of the next.
    const [applies, sign] = [random.next() < probability, random.next() < 0.5 ? 1 : -1] as const;
    if (applies) augmented = applyOperation(augmented, name, magnitude, sign, policy);
  }
  return augmented;
}
