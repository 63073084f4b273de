import { anInteger } from '../checks.ts';
import { BackendError, invalid } from '../errors.ts';
import { checkOptionRules, type OptionRules, word } from '../option_rules.ts';
import { allowedProcessors } from '../processors.ts';
import { type BackendName, backendNames, type Device } from './device.ts';
import { type Addon, loadAddon } from './native/addon.ts';
import { openNativeDevice } from './native/device.ts';
import { describeTuning } from './native/tuner.ts';

/** Options of {@link openDevice}. */
export interface OpenDeviceOptions {
  /** `auto` takes the best backend that this machine can use: a GPU, else the CPU. */
  readonly backend?: 'auto' | BackendName;
  /** CPU threads; one for each processor that the process may use when absent. Results do not depend on it. */
  readonly threads?: number;
  /** One of {@link instructionSets}; the best when absent. Results differ between them by round-off. */
  readonly instructionSet?: string;
  /** Which GPU, as `dartsmith doctor` numbers them; 0 when absent. Given, `auto` takes a GPU. */
  readonly index?: number;
  /**
   * Memory that the device may hold at once: parameters, datasets and what passes work in, a few MB a thread aside; all there is when
   * absent. Where it ends, passes keep less for backward and compute it again, to the same bits. None with TensorFlow.js.
   */
  readonly memoryLimitBytes?: number;
}

/** Options that choose a device and bound it. */
export type DeviceChoice = Pick<OpenDeviceOptions, 'backend' | 'threads' | 'index' | 'memoryLimitBytes'>;

/** Those among other options. */
export function deviceChoice({ backend, threads, index, memoryLimitBytes }: DeviceChoice): DeviceChoice {
  return { backend, threads, index, memoryLimitBytes };
}

/** The most that the engine takes bounds threads. */
const mostThreads = 1024;

/** What options that choose a device may be, wherever they are given. */
export const deviceRules: OptionRules<DeviceChoice> = {
  backend: word(['auto', ...backendNames]),
  threads: anInteger(1, mostThreads),
  index: anInteger(0, 1023),
  memoryLimitBytes: anInteger(1),
};

const openRules: OptionRules<OpenDeviceOptions> = {
  ...deviceRules,
  instructionSet: { words: 'the name of an instruction set', holds: (value) => typeof value === 'string' },
};

/** One backend as `dartsmith doctor` shows it. */
export interface BackendReport {
  readonly name: string;
  readonly usable: boolean;
  /** Why it is used, or why it cannot be. */
  readonly reason: string;
  readonly details: Readonly<Record<string, string>>;
}

/**
 * Opens a device to compile and run graphs on. Throws ArgumentError for a bad option and BackendError, saying what to do,
 * where the backend cannot be used on this machine.
 */
export async function openDevice(options: OpenDeviceOptions = {}): Promise<Device> {
  checkOptionRules('openDevice', options, openRules);
  const { backend = 'auto', threads, instructionSet, index, memoryLimitBytes } = options;
  if (backend === 'tfjs') return openTfjs(options);
  if (backend === 'cpu') return openCpu(options);
  if (backend !== 'auto') return openGpu(backend, options);
  if (index !== undefined) return openGpu('cuda', options);
  if (instructionSet !== undefined) return openCpu(options);
  const { addon, trouble } = findAddon();
  if (addon === undefined) return memoryLimitBytes === undefined ? openFallback(options, trouble) : openCpu(options);
  return threads === undefined && addon.surveyCuda().trouble === '' ? openGpu('cuda', options) : openCpu(options);
}

function findAddon(): { readonly addon?: Addon; readonly trouble: string } {
  try {
    return { addon: loadAddon().addon, trouble: '' };
  } catch (error) {
    return { trouble: (error as Error).message };
  }
}

/** TensorFlow.js, with a warning; where that is not there either, an error that says what to do about both. */
async function openFallback(options: OpenDeviceOptions, trouble: string): Promise<Device> {
  try {
    const device = await openTfjs(options);
    process.emitWarning(`${trouble}. TensorFlow.js takes its place, about a hundred times as slowly`, {
      code: 'DARTSMITH_NO_ADDON',
    });
    return device;
  } catch (error) {
    if (!(error instanceof BackendError)) throw error;
    throw new BackendError(`${trouble}. ${error.message}`, { cause: error });
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

function openCpu({ threads, instructionSet = '', memoryLimitBytes = 0 }: OpenDeviceOptions): Device {
  if (instructionSet !== '' && !instructionSets().includes(instructionSet)) {
    throw invalid('instructionSet', `one of ${instructionSets().join(', ')}`, instructionSet);
  }
  const options = { threads: threads ?? defaultThreads(), instructionSet, memoryLimitBytes };
  return openNativeDevice('cpu', { backend: 'cpu', ...options });
}

function defaultThreads(): number {
  return Math.min(mostThreads, allowedProcessors());
}

function openGpu(backend: 'cuda' | 'simt', { index = 0, memoryLimitBytes = 0 }: OpenDeviceOptions): Device {
  return openNativeDevice(backend, { backend: 'cuda', index, memoryLimitBytes });
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
    const { describePlatforms, installCommand } = await import('./tfjs/platform.ts');
    const reports = await describePlatforms();
    const best = reports.find(({ usable }) => usable);
    const reason = best === undefined ? `not installed: ${installCommand}` : `the reference, slow: ${best.reason}`;
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
    const details = {
      addon: path,
      'instruction set': best,
      'also runs': others.join(', ') || 'none',
      tuning: describeDefaultTuning(addon),
    };
    return { name: 'cpu', usable: true, reason: 'the native addon loads', details };
  } catch (error) {
    return { name: 'cpu', usable: false, reason: (error as Error).message, details: {} };
  }
}

/** Of the device that is opened where nobody asks for another. */
function describeDefaultTuning(addon: Addon): string {
  const device = addon.openDevice({
    backend: 'cpu',
    threads: defaultThreads(),
    instructionSet: '',
    memoryLimitBytes: 0,
  });
  try {
    return describeTuning(addon.describeDevice(device).description, addon.tunings(device));
  } finally {
    addon.disposeDevice(device);
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
