import { createRequire } from 'node:module';
import { BackendError, invalid } from '../errors.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { cellsToDot } from './dot.ts';

/** The formats of a picture: Graphviz's own language, vectors, pixels. */
export type PictureFormat = 'svg' | 'png' | 'dot';

// Where Arimo is missing, fonts of the same widths stand in, so that labels still fit their boxes.
const fontFamily = "Arimo, 'Liberation Sans', Arial, Helvetica, sans-serif";
const fontFiles = ['400Regular/Arimo_400Regular.ttf', '700Bold/Arimo_700Bold.ttf'];
const pixelsPerPoint = 2;

/**
 * Draws both cells of a genotype. Needs neither Graphviz nor fonts on the machine: the layout runs in WebAssembly and PNG
 * (2 pixels a point, white background) is drawn with fonts of the package. Throws ArgumentError for a faulty genotype or
 * format, BackendError when the PNG renderer has no build for this platform.
 */
export async function drawGenotype(genotype: Genotype, format: 'png'): Promise<Uint8Array>;
export async function drawGenotype(genotype: Genotype, format: 'svg' | 'dot'): Promise<string>;
export async function drawGenotype(genotype: Genotype, format: PictureFormat): Promise<string | Uint8Array>;
export async function drawGenotype(genotype: Genotype, format: PictureFormat): Promise<string | Uint8Array> {
  if (!['svg', 'png', 'dot'].includes(format)) throw invalid('format', "'svg', 'png' or 'dot'", format);
  const dot = cellsToDot(genotype);
  if (format === 'dot') return dot;
  const svg = await layOut(dot);
  return format === 'svg' ? svg : rasterise(svg);
}

// Both libraries are loaded on first use: they are large, and most runs draw nothing.

async function layOut(dot: string): Promise<string> {
  const { instance } = await import('@viz-js/viz');
  const svg = (await instance()).renderString(dot, { format: 'svg' });
  return svg.replaceAll('font-family="Arimo"', `font-family="${fontFamily}"`);
}

async function rasterise(svg: string): Promise<Uint8Array> {
  const { renderAsync } = await import('@resvg/resvg-js').catch((cause) => {
    const message = '@resvg/resvg-js, which draws PNG, cannot be loaded on this platform; draw svg instead';
    throw new BackendError(message, { cause });
  });
  const { resolve } = createRequire(import.meta.url);
  const image = await renderAsync(svg, {
    background: 'white',
    fitTo: { mode: 'zoom', value: pixelsPerPoint },
    font: {
      loadSystemFonts: false,
      fontFiles: fontFiles.map((file) => resolve(`@expo-google-fonts/arimo/${file}`)),
      defaultFontFamily: 'Arimo',
    },
  });
  return new Uint8Array(image.asPng());
}
