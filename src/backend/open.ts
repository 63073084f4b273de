import { invalid } from '../errors.ts';
import type { BackendName, Device } from './device.ts';
import { loadAddon } from './native/addon.ts';
import { openNativeDevice } from './native/device.ts';

/** Options of {@link openDevice}. */
export interface OpenDeviceOptions {
  /** `auto` takes the best backend that this machine can use: a GPU, else the CPU. */
  readonly backend?: 'auto' | BackendName;
  /** CPU threads; one per core when absent. Results do not depend on it. */
  readonly threads?: number;
  /** One of {@link instructionSets}; the best when absent. Results differ between them by round-off. */
  readonly instructionSet?: string;
  /** Which GPU, as `dartsmith doctor` numbers them; 0 when absent. Given, `auto` takes a GPU. */
  readonly index?: number;
  /** GPU memory that the device may hold at once; all there is when absent. */
  readonly memoryLimitBytes?: number;
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
export const backendNames: readonly BackendName[] = ['cuda', 'cpu', 'tfjs', 'simt'];

/**
 * Opens a device to compile and run graphs on. Throws ArgumentError for a bad option and BackendError, saying what to do,
 * where the backend cannot be used on this machine.
 */
export async function openDevice(options: OpenDeviceOptions = {}): Promise<Device> {
  const { backend = 'auto' } = options;
  const choices = ['auto', ...backendNames];
  if (!choices.includes(backend)) throw invalid('backend', `one of ${choices.join(', ')}`, backend);
  const chosen = backend === 'auto' ? bestBackend(options) : backend;
  if (chosen === 'tfjs') return openTfjs(options);
  return chosen === 'cpu' ? openCpu(options) : openGpu(chosen, options);
}

/**
 * A GPU where one is chosen, the CPU where its own options are given, else a GPU that can be used, else the CPU; TensorFlow.js,
 * with a warning, where there is no addon.
 */
function bestBackend({ threads, instructionSet, index }: OpenDeviceOptions): BackendName {
  if (index !== undefined) return 'cuda';
  if (instructionSet !== undefined) return 'cpu';
  try {
    const { trouble } = loadAddon().addon.surveyCuda();
    return trouble === '' && threads === undefined ? 'cuda' : 'cpu';
  } catch (error) {
    process.emitWarning(`${(error as Error).message}. TensorFlow.js takes its place, about a hundred times as slowly`, {
      code: 'DARTSMITH_NO_ADDON',
    });
    return 'tfjs';
  }
}

/** Its packages are loaded only where it is wanted: most never are. */
async function openTfjs({ instructionSet, index, memoryLimitBytes }: OpenDeviceOptions): Promise<Device> {
  for (const [name, value] of Object.entries({ instructionSet, index, memoryLimitBytes })) {
    if (value !== undefined) throw invalid(name, 'none with backend tfjs', value);
  }
  const { openTfjsDevice } = await import('./tfjs/device.ts');
  return openTfjsDevice();
}

function openCpu({ threads, instructionSet = '' }: OpenDeviceOptions): Device {
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= 1024)) {
    throw invalid('threads', 'an integer from 1 to 1024', threads);
  }
  if (instructionSet !== '' && !instructionSets().includes(instructionSet)) {
    throw invalid('instructionSet', `one of ${instructionSets().join(', ')}`, instructionSet);
  }
  return openNativeDevice('cpu', { backend: 'cpu', threads: threads ?? 0, instructionSet });
}

function openGpu(backend: 'cuda' | 'simt', { index = 0, memoryLimitBytes }: OpenDeviceOptions): Device {
  if (!(Number.isInteger(index) && index >= 0 && index < 1024)) throw invalid('index', 'a device number', index);
  const isLimit = Number.isSafeInteger(memoryLimitBytes) && Number(memoryLimitBytes) > 0;
  if (memoryLimitBytes !== undefined && !isLimit) {
    throw invalid('memoryLimitBytes', 'a positive number of bytes', memoryLimitBytes);
  }
  return openNativeDevice(backend, { backend: 'cuda', index, memoryLimitBytes: memoryLimitBytes ?? 0 });
}

/** Instruction sets of the CPU engine that this machine runs, best first. Throws BackendError without the addon. */
export function instructionSets(): string[] {
  return loadAddon().addon.instructionSets();
}

/** What was found on this machine, best first; never throws. */
export async function describeBackends(): Promise<BackendReport[]> {
  return [describeCuda(), describeCpu(), await describeTfjs(), ...describeSimt()];
}

async function describeTfjs(): Promise<BackendReport> {
  try {
    const { describePlatforms } = await import('./tfjs/platform.ts');
    const reports = await describePlatforms();
    const best = reports.find(({ usable }) => usable);
    const reason = best === undefined ? 'no package of TensorFlow.js loads' : `the reference, slow: ${best.reason}`;
    const details = Object.fromEntries(
      reports.map(({ platform, usable, reason }) => [platform, usable ? 'loads' : reason]),
    );
    return { name: 'tfjs', usable: best !== undefined, reason, details };
  } catch (error) {
    return { name: 'tfjs', usable: false, reason: (error as Error).message, details: {} };
  }
}

function describeCuda(): BackendReport {
  try {
    const { devices, trouble, runtime } = loadAddon().addon.surveyCuda();
    const numbered = Object.fromEntries(devices.map((device, i) => [`device ${i}`, device.replace(/^\d+: /, '')]));
    const usable = trouble === '';
    const details = { ...(runtime === '' ? {} : { CUDA: runtime }), ...numbered };
    return { name: 'cuda', usable, reason: usable ? 'there is a GPU and a driver' : trouble, details };
  } catch (error) {
    return { name: 'cuda', usable: false, reason: (error as Error).message, details: {} };
  }
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

/** Only where it was built: it serves nobody but tests. */
function describeSimt(): BackendReport[] {
  try {
    const { path } = loadAddon('simt');
    const reason = 'for tests only: the CUDA kernels, run on the CPU, thousands of times as slowly';
    return [{ name: 'simt', usable: true, reason, details: { addon: path } }];
  } catch {
    return [];
  }
}
