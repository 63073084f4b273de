import { FileError } from '../errors.ts';
import type { WeightTensor } from '../io/safetensors.ts';
import type { StemForm } from '../network/macro.ts';

/** What the weights of a network tell of it. */
export interface NetworkSizes {
  readonly initChannels: number;
  readonly layers: number;
  readonly stem: StemForm;
  readonly classes: number;
  readonly imageChannels: number;
  /** Whether there are weights of an auxiliary head. */
  readonly auxiliary: boolean;
  /** Whether there are architecture parameters, so that it is the network of a search and not a derived one. */
  readonly supernet: boolean;
}

const mostLayers = 256;

/** Reads the sizes off named weights. Throws FileError, naming `source`, where they are those of no network. */
export function sizesOfWeights(tensors: ReadonlyMap<string, WeightTensor>, source: string): NetworkSizes {
  const shapeOf = (name: string, axes: number): readonly number[] => {
    const shape = tensors.get(name)?.shape;
    if (shape?.length === axes && shape.every((size) => size > 0)) return shape;
    const found = shape === undefined ? 'none' : `[${shape}]`;
    throw new FileError(`${source} holds no network: expected a tensor of ${axes} axes named ${name} but got ${found}`);
  };
  const names = [...tensors.keys()];
  const stem: StemForm = tensors.has('stem0.0.weight') ? 'large' : 'small';
  const [channels] = shapeOf(stem === 'large' ? 'stem1.1.weight' : 'stem.0.weight', 4);
  const [, imageChannels] = shapeOf(stem === 'large' ? 'stem0.0.weight' : 'stem.0.weight', 4);
  const [classes] = shapeOf('classifier.weight', 2);
  const cells = new Set(names.flatMap((name) => /^cells\.(\d{1,9})\./.exec(name)?.[1] ?? []).map(Number));
  const layers = Math.max(-1, ...cells) + 1;
  // The small stem has three times the channels of the first cell.
  const initChannels = stem === 'large' ? channels : channels / 3;
  if (!Number.isInteger(initChannels) || layers < 1 || layers > mostLayers) {
    throw new FileError(
      `${source} holds no network: expected a stem of three times the first cell's channels, and 1 to ${mostLayers} cells`,
    );
  }
  return {
    initChannels,
    layers,
    stem,
    classes,
    imageChannels,
    auxiliary: names.some((name) => name.startsWith('auxiliary_head.')),
    supernet: names.some((name) => name.startsWith('alphas_')),
  };
}
