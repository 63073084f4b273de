// What is done to an image before it goes to a device. Padding and cropping, and mirroring, follow there unless a policy needs them
// before; cutout always does.
import { ArgumentError } from '../errors.ts';
import { autoAugment } from './auto_augment.ts';
import { drawCrop, enlarge } from './crop.ts';
import type { Image } from './image.ts';
import { jitter } from './jitter.ts';
import { type CroppedPlacement, type Placement, place } from './place.ts';
import { type PolicyName, placedPolicies, policyNames } from './policies.ts';
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
  /** Given, images are placed here and not by the device: for a policy that takes them so (see {@link placementOf}), or by affine maps. */
  readonly placement?: Placement;
}

/**
 * How images are cropped and mirrored before a policy that takes them so, of a dataset whose images are padded and mirrored as
 * `usual` says; undefined where the device does both, behind everything else.
 */
export function placementOf(
  { autoAugment, randomResizedCrop }: Pick<AugmentSettings, 'autoAugment' | 'randomResizedCrop'>,
  usual: CroppedPlacement,
): CroppedPlacement | undefined {
  if (autoAugment === 'off' || !placedPolicies.has(autoAugment)) return undefined;
  // A random resized crop takes the place of padding and cropping.
  return { pad: randomResizedCrop ? 0 : usual.pad, flip: usual.flip };
}

/** Whether there is anything to do. */
export function augmentsImages({ randomResizedCrop, placement, ...settings }: AugmentSettings): boolean {
  return randomResizedCrop || placement !== undefined || changesColours(settings);
}

/** Throws ArgumentError where a setting, which the user may know by another name, needs colours that the images do not have. */
export function checkAugmentation(
  settings: Omit<AugmentSettings, 'placement'>,
  [, , channels]: Image['shape'],
  called: Readonly<Record<string, string>> = {},
): void {
  if (channels === 3 || !changesColours(settings)) return;
  const name = (['autoAugment', 'colorJitter', 'hueJitter'] as const).find((setting) => isOn(settings[setting]));
  throw new ArgumentError(`${called[name ?? ''] ?? name} takes images of three channels, but these have ${channels}`);
}

/** Crops and recolours an image in memory. */
export function augment(image: Image, settings: AugmentSettings, random: Random): Image {
  const [height, width] = image.shape;
  const cropped = settings.randomResizedCrop ? enlarge(image, drawCrop(random, height, width)) : image;
  return recolour(cropped, settings, random);
}

/** All but the random resized crop. */
export function recolour(image: Image, settings: AugmentSettings, random: Random): Image {
  const { colorJitter, hueJitter, placement } = settings;
  const placed = placement === undefined ? image : place(image, placement, random);
  const posed = settings.autoAugment === 'off' ? placed : autoAugment(placed, settings.autoAugment, random);
  if (!isOn(colorJitter) && !isOn(hueJitter)) return posed;
  return jitter(posed, { strength: colorJitter, hue: hueJitter }, random);
}

function changesColours(settings: Omit<AugmentSettings, 'randomResizedCrop' | 'placement'>): boolean {
  return [settings.autoAugment, settings.colorJitter, settings.hueJitter].some(isOn);
}

function isOn(value: string | number | boolean): boolean {
  return value !== 'off' && value !== 0 && value !== false;
}
