import { createRequire } from 'node:module';
import { BackendError } from '../errors.ts';

const fontFiles = ['400Regular/Arimo_400Regular.ttf', '700Bold/Arimo_700Bold.ttf'];
const pixelsPerPoint = 2;
/** Of a picture: 256 MiB while it is drawn. */
const mostPixels = 2 ** 26;

/**
 * Draws SVG as PNG, on white, with fonts of the package: 2 pixels a point or as many as are asked for, fewer where the picture would have
 * more than 2^26. Throws BackendError where the renderer has no build for this platform.
 */
export async function rasterise(svg: string, pixels = pixelsPerPoint): Promise<Uint8Array> {
  // Loaded on first use: it is large, and most runs draw nothing.
  const { renderAsync } = await import('@resvg/resvg-js').catch((cause) => {
    const message = '@resvg/resvg-js, which draws PNG, cannot be loaded on this platform; draw svg instead';
    throw new BackendError(message, { cause });
  });
  const { resolve } = createRequire(import.meta.url);
  const image = await renderAsync(svg, {
    background: 'white',
    fitTo: { mode: 'zoom', value: zoomOf(svg, pixels) },
    font: {
      loadSystemFonts: false,
      fontFiles: fontFiles.map((file) => resolve(`@expo-google-fonts/arimo/${file}`)),
      defaultFontFamily: 'Arimo',
    },
  });
  return new Uint8Array(image.asPng());
}

/** Pixels a point of a picture, by the size that its first element has. */
export function zoomOf(svg: string, pixels = pixelsPerPoint): number {
  const [, width, height] = /<svg[^>]*? width="([\d.]+)[^>]*? height="([\d.]+)/.exec(svg) ?? [];
  const points = Number(width) * Number(height);
  return points > 0 ? Math.min(pixels, Math.sqrt(mostPixels / points)) : pixels;
}
