// What searches in a supernet have in common, whatever they do there.
import type { Parameters } from '../backend/parameters.ts';
import { sizeOption } from '../data/dataset.ts';
import { callingSize } from '../network/image_size.ts';
import { buildSupernet, type Supernet } from '../network/supernet.ts';
import { readAlpha } from '../select/alpha.ts';
import { layoutOf } from '../select/layout.ts';
import type { SelectionOptions } from '../select/rules.ts';
import type { InitialArchitecture, MethodContext } from './method.ts';

/** The sizes of a supernet. */
interface Sizes {
  readonly initChannels: number;
  readonly layers: number;
  /** Of an auxiliary head's loss; no such head when absent or 0. */
  readonly auxWeight?: number;
}

/** The supernet of a search. Throws ArgumentError for images of a size that it does not take. */
export function searchedSupernet({ settings, dataset, space }: MethodContext<Sizes>): Supernet {
  const { initChannels, layers, auxWeight = 0 } = settings;
  const auxiliaryWeight = auxWeight > 0 ? auxWeight : undefined;
  const { classes, train } = dataset;
  return callingSize(sizeOption(dataset), () =>
    buildSupernet({ space, inputShape: train.shape, classes, initChannels, layers, auxiliaryWeight }),
  );
}

/** What its architecture parameters are, for the journal. */
export async function initialArchitecture(
  supernet: Supernet,
  parameters: Parameters,
  selection?: SelectionOptions,
): Promise<InitialArchitecture> {
  const { alpha } = await readAlpha(supernet, parameters);
  return { alpha, layout: layoutOf(supernet), activation: supernet.space.activation, ...(selection && { selection }) };
}
