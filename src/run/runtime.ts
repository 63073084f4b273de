import { type BackendName, backendNames, type Device } from '../backend/device.ts';
import { aFunction, anInteger, aSignal, isRecord } from '../checks.ts';
import { type OptionRule, type OptionRules, word } from '../option_rules.ts';

const aDevice: OptionRule = {
  words: 'a device as openDevice gives it',
  holds: (value) => isRecord(value) && aFunction.holds(value['execute']) && aFunction.holds(value['compile']),
};

/** How a run goes on, without influence on its bits. */
export interface Runtime {
  readonly backend?: 'auto' | BackendName;
  readonly threads?: number;
  readonly index?: number;
  readonly workers?: number;
  readonly device?: Device;
  readonly signal?: AbortSignal;
  readonly checkpointSeconds: number;
}

/** What options that say where work is done may be: of runs and of tests. */
export const deviceRules: OptionRules<Omit<Runtime, 'checkpointSeconds'>> = {
  backend: word(['auto', ...backendNames]),
  threads: anInteger(1, 1024),
  index: anInteger(0, 1023),
  workers: anInteger(1, 1024),
  device: aDevice,
  signal: aSignal,
};
