import { invalid } from '../errors.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { cellsToDot } from './dot.ts';
import { fontFamily } from './font.ts';
import { rasterise } from './rasterise.ts';

/** The formats of a picture: Graphviz's own language, vectors, pixels. */
export type PictureFormat = 'svg' | 'png' | 'dot';

/**
 * Draws the cells of a genotype. Needs neither Graphviz nor fonts on the machine: the layout runs in WebAssembly and PNG
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

async function layOut(dot: string): Promise<string> {
  // Loaded on first use: it is large, and most runs draw nothing.
  const { instance } = await import('@viz-js/viz');
  const svg = (await instance()).renderString(dot, { format: 'svg' });
  return svg.replaceAll('font-family="Arimo"', `font-family="${fontFamily}"`);
}
