// What is done to an image before it goes to a device; padding and cropping, mirroring and cutout follow there.
import { ArgumentError } from '../errors.ts';
import { autoAugment } from './auto_augment.ts';
import { drawCrop, enlarge } from './crop.ts';
import type { Image } from './image.ts';
import { jitter } from './jitter.ts';
import { type PolicyName, policyNames } from './policies.ts';
import type { Random } from './random.ts';

/** What `autoAugment` may be. */
export const autoAugmentChoices = ['off', ...policyNames] as const;

/** Augmentation by the CPU, as settings of a training name it. */
export interface AugmentSettings {
  /** Train on a random part of each image, enlarged, in place of padding and cropping. */
  readonly randomResizedCrop: boolean;
  readonly autoAugment: 'off' | PolicyName;
  /** How far factors of brightness, contrast and saturation may be from 1. */
  readonly colorJitter: number;
  /** How far the hue may turn either way, as a share of the colour circle. */
  readonly hueJitter: number;
}

/** Whether there is anything to do. */
export function augmentsImages({ randomResizedCrop, ...settings }: AugmentSettings): boolean {
  return randomResizedCrop || changesColours(settings);
}

/** Throws ArgumentError where a setting needs colours that the images do not have. */
export function checkAugmentation(settings: AugmentSettings, [, , channels]: Image['shape']): void {
  if (channels === 3 || !changesColours(settings)) return;
  const name = (['autoAugment', 'colorJitter', 'hueJitter'] as const).find((setting) => isOn(settings[setting]));
  throw new ArgumentError(`${name} takes images of three channels, but these have ${channels}`);
}

/** Crops and recolours an image in memory. */
export function augment(image: Image, settings: AugmentSettings, random: Random): Image {
  const [height, width] = image.shape;
  const cropped = settings.randomResizedCrop ? enlarge(image, drawCrop(random, height, width)) : image;
  return recolour(cropped, settings, random);
}

/** All but the crop. */
export function recolour(image: Image, settings: AugmentSettings, random: Random): Image {
  const { colorJitter, hueJitter } = settings;
  const posed = settings.autoAugment === 'off' ? image : autoAugment(image, settings.autoAugment, random);
  if (!isOn(colorJitter) && !isOn(hueJitter)) return posed;
  return jitter(posed, { strength: colorJitter, hue: hueJitter }, random);
}

function changesColours(settings: Omit<AugmentSettings, 'randomResizedCrop'>): boolean {
  return [settings.autoAugment, settings.colorJitter, settings.hueJitter].some(isOn);
}

function isOn(value: AugmentSettings[keyof AugmentSettings]): boolean {
  return value !== 'off' && value !== 0 && value !== false;
}
