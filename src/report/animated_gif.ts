// An animation as a GIF, by sharp.
import { BackendError } from '../errors.ts';
import type { Animation } from './animation.ts';
import { rasterise } from './rasterise.ts';
import { picture } from './svg.ts';

type Sharp = typeof import('sharp').default;

/** Across, of few frames and of many; of a narrow picture fewer. */
const widest = { few: 960, many: 720 };
const many = 60;
const mostPixelsPerPoint = 1.5;
/** Browsers take a tenth of a second for what is shorter. */
const leastMilliseconds = 20;
const colours = 64;

/** An animation that loops. Throws BackendError where sharp is not installed, or the renderer of PNG has no build for this platform. */
export async function animatedGif(
  { width, height, ground, frames }: Animation,
  load: () => Promise<{ readonly default: Sharp }> = () => import('sharp'),
): Promise<Uint8Array> {
  const { default: sharp } = await load().catch((cause: unknown): never => {
    const message =
      'a GIF is written by sharp, which is not installed: npm install sharp, or draw to a file that ends in .svg';
    throw new BackendError(message, { cause });
  });
  const across = frames.length > many ? widest.many : widest.few;
  const pages: Uint8Array[] = [];
  for (const { parts } of frames) {
    const shown = parts.toSorted((a, b) => a.level - b.level).map(({ svg }) => svg);
    const svg = picture(width, height, [...ground, ...shown]);
    pages.push(await rasterise(svg, Math.min(mostPixelsPerPoint, across / width)));
  }
  const delay = frames.map(({ seconds }) => Math.max(leastMilliseconds, Math.round(100 * seconds) * 10));
  // One page is a picture like any other.
  const joined =
    pages.length === 1 ? sharp(pages[0]) : sharp(pages, { join: { animated: true }, limitInputPixels: false });
  const gif = await joined.gif({ loop: 0, delay, colours, dither: 0, interFrameMaxError: 0 }).toBuffer();
  return new Uint8Array(gif);
}
