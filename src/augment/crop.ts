// Random resized crops (Szegedy et al., arXiv:1409.4842), drawn as torchvision draws them.
import type { Image } from './image.ts';
import type { Random } from './random.ts';

/** A part of an image in pixels. */
export interface Rectangle {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

const attempts = 10;
/** Share of the image's area. */
const area = [0.08, 1] as const;
/** Width by height. */
const aspect = [3 / 4, 4 / 3] as const;

/** A rectangle of 0.08 to 1 of the area and an aspect of 3/4 to 4/3; where ten draws do not fit, the largest central one that is in range. */
export function drawCrop(random: Random, height: number, width: number): Rectangle {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const target = height * width * random.between(...area);
    const ratio = Math.exp(random.between(Math.log(aspect[0]), Math.log(aspect[1])));
    const size = { height: Math.round(Math.sqrt(target / ratio)), width: Math.round(Math.sqrt(target * ratio)) };
    if (size.height < 1 || size.width < 1 || size.height > height || size.width > width) continue;
    return { top: random.below(height - size.height + 1), left: random.below(width - size.width + 1), ...size };
  }
  const size = {
    height: Math.min(height, Math.max(1, Math.round(width / aspect[0]))),
    width: Math.min(width, Math.max(1, Math.round(height * aspect[1]))),
  };
  if (width / height < aspect[0]) size.width = width;
  if (width / height > aspect[1]) size.height = height;
  return central(size, height, width);
}

/** A rectangle of a size in the middle. */
export function central(size: Pick<Rectangle, 'height' | 'width'>, height: number, width: number): Rectangle {
  return { top: Math.round((height - size.height) / 2), left: Math.round((width - size.width) / 2), ...size };
}

/** A part of an image enlarged to the whole image's size, bilinear between the centres of pixels. */
export function enlarge({ pixels, shape }: Image, part: Rectangle): Image {
  const [height, width, channels] = shape;
  const rows = samplePlaces(part.top, part.height, height);
  const columns = samplePlaces(part.left, part.width, width);
  const enlarged = new Uint8Array(pixels.length);
  let to = 0;
  for (const [top, bottom, down] of rows) {
    for (const [left, right, across] of columns) {
      for (let channel = 0; channel < channels; channel++) {
        const at = (y: number, x: number) => pixels[(y * width + x) * channels + channel];
        const above = at(top, left) + across * (at(top, right) - at(top, left));
        const below = at(bottom, left) + across * (at(bottom, right) - at(bottom, left));
        enlarged[to++] = Math.round(above + down * (below - above));
      }
    }
  }
  return { pixels: enlarged, shape };
}

/** Between which two pixels each of `count` samples of a stretch lies, and how far towards the second. */
function samplePlaces(begin: number, length: number, count: number): (readonly [number, number, number])[] {
  return Array.from({ length: count }, (_, i) => {
    const place = Math.min(length - 1, Math.max(0, ((i + 0.5) * length) / count - 0.5));
    const first = Math.floor(place);
    return [begin + first, begin + Math.min(first + 1, length - 1), place - first] as const;
  });
}
