import type { Device } from '../backend/device.ts';
import type { Dataset } from '../data/dataset.ts';
import type { SplitIndices } from '../data/split.ts';
import type { Supernet } from '../network/supernet.ts';
import { costOf } from '../report/cost.ts';
import type { StartEvent } from './events.ts';
import type { Position } from './metrics.ts';
import type { SearchPlan } from './options.ts';

/** What a run has opened when it begins. */
export interface Opened {
  readonly dataset: Dataset;
  readonly split: SplitIndices;
  readonly supernet: Supernet;
  readonly device: Device;
  readonly steps: number;
  readonly position: Position;
}

/** The first event of a run. */
export function startEvent(
  { settings, seed, files, config }: SearchPlan,
  { dataset, split, supernet, device, steps, position }: Opened,
): StartEvent {
  const previous = config?.devices.at(-1)?.device;
  return {
    type: 'start',
    dataset: dataset.name,
    notices: dataset.notices,
    trainImages: split.train.length,
    validationImages: split.validation.length,
    imageShape: dataset.train.shape,
    classes: dataset.classes,
    space: supernet.space.name,
    layers: settings.layers,
    parameters: costOf(supernet.graph).parameters,
    device: device.description,
    previousDevice: previous === device.description ? undefined : previous,
    seed,
    epochs: settings.epochs,
    steps,
    directory: files?.directory,
    resumed: config && { epoch: position.epoch, step: position.step },
  };
}
