// What the weights of a derived network of CDARTS (arXiv:2006.10724), named as NNI has them, tell of it.
import { FileError } from '../errors.ts';
import { cellType } from '../skeleton/cell_stack.ts';
import type { StemForm } from '../skeleton/skeleton.ts';
import { isSupernet } from './stored_networks.ts';

const preprocessing = /^cells\.(\d{1,9})\.preproc1\.net\.1\.weight$/;
// Heads that are distilled have no affine part.
const auxiliaryNorm = /^aux_head\.\d+\.features\.3\.weight$/;
const mostLayers = 256;

/** The shape of a tensor of so many axes, which has to be there. */
type ShapeOf = (name: string, axes: number) => readonly number[];

/** Whether names are those of such a network. */
export function hasNumberedPreprocessing(names: readonly string[]): boolean {
  return names.some((name) => preprocessing.test(name));
}

/** Reads its sizes. Throws FileError, naming `source`, where its stem is no multiple of its first cell. */
export function sizesOfCdarts(names: readonly string[], shapeOf: ShapeOf, source: string) {
  const stem: StemForm = names.includes('stem0.0.weight') ? 'large' : 'small';
  const [channels] = shapeOf(stem === 'large' ? 'stem1.1.weight' : 'stem.0.weight', 4);
  const [, imageChannels] = shapeOf(stem === 'large' ? 'stem0.0.weight' : 'stem.0.weight', 4);
  const [classes] = shapeOf('linear.weight', 2);
  const layers = 1 + Math.max(...names.map((name) => Number(preprocessing.exec(name)?.[1] ?? -1)));
  const [first] = shapeOf('cells.0.preproc1.net.1.weight', 4);
  const initChannels = stem === 'large' ? channels : cellType(0, layers) === 'reduce' ? first / 2 : first;
  const stemMultiplier = channels / initChannels;
  if (layers > mostLayers || !Number.isInteger(initChannels) || !Number.isInteger(stemMultiplier)) {
    throw new FileError(
      `${source} holds no network: expected a stem of a multiple of the first cell's channels, and 1 to ${mostLayers} cells`,
    );
  }
  return {
    ...{ skeleton: 'cdarts' as const, initChannels, layers, stem, classes, imageChannels, stemMultiplier },
    auxiliary: names.some((name) => auxiliaryNorm.test(name)),
    supernet: isSupernet(names),
    affineNorms: names.includes('cells.0.preproc1.net.2.weight'),
  };
}
