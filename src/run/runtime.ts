// Where runs and tests do their work.
import type { Device } from '../backend/device.ts';
import { type DeviceChoice, deviceChoice, deviceRules, openDevice } from '../backend/open.ts';
import { aFunction, anInteger, aSignal, isRecord } from '../checks.ts';
import type { OptionRule, OptionRules } from '../option_rules.ts';

/** Options that say where work is done, without influence on its bits. */
export interface PlaceOptions extends DeviceChoice {
  /** Threads that read and augment images ahead; one per core, 16 at most, when absent. */
  readonly workers?: number;
  /** Run on this device instead of opening one; it is not disposed. */
  readonly device?: Device;
  readonly signal?: AbortSignal;
}

/** How a run goes on. */
export interface Runtime extends PlaceOptions {
  readonly checkpointSeconds: number;
  /** Epochs between checkpoints that are kept beside the last one; none when absent. */
  readonly snapshotEpochs?: number;
  /** Whether event files for TensorBoard are written. */
  readonly tensorboard: boolean;
}

const aDevice: OptionRule = {
  words: 'a device as openDevice gives it',
  holds: (value) => isRecord(value) && aFunction.holds(value['execute']) && aFunction.holds(value['compile']),
};

/** What {@link PlaceOptions} may be. */
export const placeRules: OptionRules<PlaceOptions> = {
  ...deviceRules,
  workers: anInteger(1, 1024),
  device: aDevice,
  signal: aSignal,
};

/** The device that is given, or one that is opened. Rejects as openDevice does. */
export async function deviceFor(place: PlaceOptions): Promise<Device> {
  return place.device ?? (await openDevice(deviceChoice(place)));
}
