import { type AugmentSettings, augment, recolour } from '../augment/augment.ts';
import { drawCrop } from '../augment/crop.ts';
import type { Image } from '../augment/image.ts';
import { randomOf } from '../augment/random.ts';
import type { ColourProfile } from '../data/dataset.ts';
import { decodeImage, middle, square } from '../data/decode.ts';
import { DataError } from '../errors.ts';
import type { StreamKey } from '../random/philox.ts';

/** One image of a batch: a file, or pixels in memory, and what is to become of it. */
export interface PrepareTask {
  readonly source: { readonly path: string } | { readonly pixels: Uint8Array };
  /** [height, width, channels] that it is brought to. */
  readonly shape: Image['shape'];
  /** Of a file, where it is not augmented; the middle when absent. */
  readonly frame?: 'middle' | 'square';
  readonly colourProfile?: ColourProfile;
  /** Absent for an image to be scored, which stays as it is. */
  readonly augmentation?: { readonly settings: AugmentSettings; readonly stream: StreamKey };
}

const frames = { middle, square } as const;

/** The image's pixels `[height, width, channels]`: a function of the task and the file alone, wherever and whenever it runs. */
export async function prepareImage({
  source,
  shape,
  frame = 'middle',
  colourProfile,
  augmentation,
}: PrepareTask): Promise<Uint8Array> {
  const random = augmentation && randomOf(augmentation.stream);
  if ('pixels' in source) {
    const image = { pixels: source.pixels, shape };
    return augmentation && random ? augment(image, augmentation.settings, random).pixels : image.pixels;
  }
  const [height, width] = shape;
  const cropped = augmentation?.settings.randomResizedCrop && random;
  const framed = (imageHeight: number, imageWidth: number) =>
    cropped
      ? { before: drawCrop(cropped, imageHeight, imageWidth), size: { height, width } }
      : frames[frame](shape, imageHeight, imageWidth);
  const decoded = await decodeImage(source.path, framed, colourProfile);
  if (decoded.shape.some((size, axis) => size !== shape[axis])) {
    throw new DataError(`expected an image of ${shape.join('x')}, found ${decoded.shape.join('x')}`);
  }
  return augmentation && random ? recolour(decoded, augmentation.settings, random).pixels : decoded.pixels;
}
