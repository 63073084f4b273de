import { invalid } from '../errors.ts';
import type { BackendName, Device } from './device.ts';
import { loadAddon } from './native/addon.ts';
import { openNativeDevice } from './native/device.ts';

/** Options of {@link openDevice}. */
export interface OpenDeviceOptions {
  /** `auto` takes the best backend that this machine can use. */
  readonly backend?: 'auto' | BackendName;
  /** CPU threads; one per core when absent. Results do not depend on it. */
  readonly threads?: number;
  /** One of {@link instructionSets}; the best when absent. Results differ between them by round-off. */
  readonly instructionSet?: string;
}

/** One backend as `dartsmith doctor` shows it. */
export interface BackendReport {
  readonly name: string;
  readonly usable: boolean;
  /** Why it is used, or why it cannot be. */
  readonly reason: string;
  readonly details: Readonly<Record<string, string>>;
}

/** The backends that this version can open, best first. */
export const backendNames: readonly BackendName[] = ['cpu'];

/**
 * Opens a device to compile and run graphs on. Throws ArgumentError for a bad option and BackendError, saying what to do,
 * where the backend cannot be used on this machine.
 */
export async function openDevice(options: OpenDeviceOptions = {}): Promise<Device> {
  const { backend = 'auto', threads = 0, instructionSet = '' } = options;
  const choices = ['auto', ...backendNames];
  if (!choices.includes(backend)) throw invalid('backend', `one of ${choices.join(', ')}`, backend);
  if (options.threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= 1024)) {
    throw invalid('threads', 'an integer from 1 to 1024', threads);
  }
  if (instructionSet !== '' && !instructionSets().includes(instructionSet)) {
    throw invalid('instructionSet', `one of ${instructionSets().join(', ')}`, instructionSet);
  }
  return openNativeDevice({ threads, instructionSet });
}

/** Instruction sets of the CPU engine that this machine runs, best first. Throws BackendError without the addon. */
export function instructionSets(): string[] {
  return loadAddon().addon.instructionSets();
}

/** What was found on this machine, best first; never throws. */
export function describeBackends(): BackendReport[] {
  return [
    { name: 'cuda', usable: false, reason: 'not part of this version', details: {} },
    describeCpu(),
    { name: 'tfjs', usable: false, reason: 'not part of this version', details: {} },
  ];
}

function describeCpu(): BackendReport {
  try {
    const { addon, path } = loadAddon();
    const [best, ...others] = addon.instructionSets();
    const details = { addon: path, 'instruction set': best, 'also runs': others.join(', ') || 'none' };
    return { name: 'cpu', usable: true, reason: 'the native addon loads', details };
  } catch (error) {
    return { name: 'cpu', usable: false, reason: (error as Error).message, details: {} };
  }
}
