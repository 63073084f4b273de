// Image files through sharp (libvips), an optional package.
import { stat } from 'node:fs/promises';
import { central, type Rectangle } from '../augment/crop.ts';
import type { Image } from '../augment/image.ts';
import { DataError } from '../errors.ts';
import { allowedProcessors } from '../processors.ts';
import type { ColourProfile } from './dataset.ts';

type Sharp = typeof import('sharp').default;

/** How an image is brought to a shape: cut, resized, and cut again. */
export interface Framing {
  readonly before?: Rectangle;
  readonly size: Pick<Rectangle, 'height' | 'width'>;
  readonly after?: Rectangle;
}

/** Of ImageNet's validation: images are resized so that their shorter side is this much longer than what is cut from the middle. */
const margin = 256 / 224;
/** Larger images are refused: a small hostile file may claim any size. */
const mostPixels = 2 ** 26;
const mostBytes = 2 ** 28;
/** Resizing the shorter side of a narrower one would make the longer one huge. */
const mostAspect = 64;

/** The package. Throws DataError, saying what to do, where it is not installed. */
export async function loadSharp(
  load: () => Promise<{ readonly default: Sharp }> = () => import('sharp'),
): Promise<Sharp> {
  try {
    return (await load()).default;
  } catch (error) {
    throw new DataError(
      'image files are read by the npm package sharp, which cannot be loaded here: npm install sharp',
      {
        cause: error,
      },
    );
  }
}

/** What to tell where libvips, which works on Node's own threads, has fewer of them than cores that it may use. */
export function decodingNotices(cores = allowedProcessors(), threads = process.env['UV_THREADPOOL_SIZE']): string[] {
  const count = Number(threads ?? 4);
  if (count >= cores) return [];
  return [
    `image files are decoded by ${count} threads of ${cores} cores: UV_THREADPOOL_SIZE=${cores} before dartsmith takes all`,
  ];
}

/** All of an image's shorter side and the middle of its longer one: an image of the shape stays as it is. */
export function square([height, width]: Image['shape'], imageHeight: number, imageWidth: number): Framing {
  return framing([height, width], imageHeight, imageWidth, 1);
}

/** The middle of an image as ImageNet's validation sees it. */
export function middle([height, width]: Image['shape'], imageHeight: number, imageWidth: number): Framing {
  return framing([height, width], imageHeight, imageWidth, margin);
}

function framing(
  [height, width]: readonly [number, number],
  imageHeight: number,
  imageWidth: number,
  zoom: number,
): Framing {
  const scale = zoom * Math.max(height / imageHeight, width / imageWidth);
  const size = { height: Math.round(imageHeight * scale), width: Math.round(imageWidth * scale) };
  return { size, after: central({ height, width }, size.height, size.width) };
}

/**
 * Reads an image file as RGB, without regard to its orientation tag, as the published training does. `frame` is told its height and
 * width; `profile` says what becomes of colours. Rejects with an error whose message tells what is wrong with the file.
 */
export async function decodeImage(
  path: string,
  frame: (height: number, width: number) => Framing,
  profile: ColourProfile = 'convert',
): Promise<Image> {
  const sharp = await loadSharp();
  const status = await stat(path);
  // Reading a pipe or a device might never end.
  if (!status.isFile()) throw new DataError('expected a regular file');
  if (status.size > mostBytes) throw new DataError(`expected at most ${mostBytes} bytes, found ${status.size}`);
  const ignoreIcc = profile === 'ignore';
  const opened = sharp(path, { failOn: 'error', limitInputPixels: mostPixels, ignoreIcc });
  const { height, width, space } = await opened.metadata();
  if (Math.max(height, width) > mostAspect * Math.min(height, width)) {
    throw new DataError(`expected sides of at most ${mostAspect} to 1, found ${height}x${width}`);
  }
  const file = ignoreIcc && space === 'cmyk' ? await multiplied(sharp, opened) : opened;
  const { before, size, after } = frame(height, width);
  if (before !== undefined) file.extract(before);
  // A triangle filter as wide as the reduction: what PIL, and with it torchvision, calls bilinear.
  file.resize({ ...size, fit: 'fill', kernel: 'linear', fastShrinkOnLoad: false });
  if (after !== undefined) file.extract(after);
  const { data, info } = await file
    .removeAlpha()
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return { pixels: new Uint8Array(data), shape: [info.height, info.width, info.channels] };
}

/** CMYK as RGB in PIL's way: each ink takes its share of what black leaves, rounded as PIL rounds. */
async function multiplied(sharp: Sharp, file: ReturnType<Sharp>): Promise<ReturnType<Sharp>> {
  const { data, info } = await file
    .pipelineColourspace('cmyk')
    .toColourspace('cmyk')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const { height, width, channels } = info;
  const rgb = new Uint8Array(height * width * 3);
  for (let pixel = 0; pixel < height * width; pixel++) {
    const white = 255 - data[pixel * channels + 3];
    for (let ink = 0; ink < 3; ink++) {
      const product = data[pixel * channels + ink] * white + 128;
      rgb[pixel * 3 + ink] = white - ((product + (product >> 8)) >> 8);
    }
  }
  return sharp(rgb, { raw: { height, width, channels: 3 } });
}
