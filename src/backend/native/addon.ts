// The native addon as TypeScript sees it, and where it is found.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BackendError } from '../../errors.ts';
import type { KernelProfile, Peak } from '../device.ts';

/** An engine object that JavaScript holds; only the addon looks inside. */
export interface Handle {
  readonly handle?: never;
}

/** Work on a device's thread. */
export interface NativeJob<T> {
  readonly promise: Promise<T>;
  cancel(): void;
}

/** What a command gives back; tensors as [node, values] pairs. */
export interface NativeOutcome {
  readonly loss?: number;
  readonly correct?: number;
  readonly terms?: readonly number[];
  readonly gradientNorm?: number;
  readonly directionNorm?: number;
  readonly penalty?: number;
  readonly outputs: readonly (readonly [number, Float32Array])[];
  readonly inputGradients: readonly (readonly [number, Float32Array])[];
  readonly profile?: readonly KernelProfile[];
  /** The most that any program of the device computes again for want of memory: nothing, what single separables leave, second halves of pairs too. */
  readonly recompute: 0 | 1 | 2;
}

/** What an addon found of CUDA. */
export interface CudaSurvey {
  /** Whether CUDA kernels are part of the addon. */
  readonly built: boolean;
  /** By index: name, architecture, memory. */
  readonly devices: readonly string[];
  /** Why the first cannot be used; empty otherwise. */
  readonly trouble: string;
  /** Versions of the runtime that is built in and of the driver. */
  readonly runtime: string;
}

/** How a native device is opened; 0 and '' stand for the default. */
export type NativeDeviceOptions = { readonly memoryLimitBytes: number } & (
  | { readonly backend: 'cpu'; readonly threads: number; readonly instructionSet: string }
  | { readonly backend: 'cuda'; readonly index: number }
);

/** The functions that native/binding exports. */
export interface Addon {
  instructionSets(): string[];
  surveyCuda(): CudaSurvey;
  openDevice(options: NativeDeviceOptions): Handle;
  describeDevice(device: Handle): { description: string; arenaBytes: number; recordedKernels: number };
  /** Names of the ways to go about memory, the first in use until another is chosen; empty where there is no choice. */
  tunings(device: Handle): string[];
  tune(device: Handle, tuning: number): NativeJob<undefined>;
  /** Measures all, keeps to the fastest, and gives its index; -1, and the first is kept to, where the machine does too much else to tell. */
  findTuning(device: Handle): NativeJob<number>;
  measurePeak(device: Handle): NativeJob<Peak>;
  createParameters(
    device: Handle,
    weights: number,
    buffers: number,
    alpha: number,
    secondMoments: boolean,
    states: number,
  ): NativeJob<Handle>;
  /** `count` elements from `offset` on, all of the arena where neither is given. */
  readParameters(parameters: Handle, arena: number, offset?: number, count?: number): NativeJob<Float32Array>;
  writeParameters(parameters: Handle, arena: number, offset: number, values: Float32Array): NativeJob<undefined>;
  createDataset(device: Handle, count: number, height: number, width: number, channels: number): Handle;
  writeImages(dataset: Handle, first: number, images: Uint8Array, labels: Int32Array): NativeJob<undefined>;
  /** `length` of sequences; 0 where samples are no times of one. */
  compile(device: Handle, graph: object, batchSize: number, length: number, fuse: boolean, precision: number): Handle;
  /** Bytes by kind of pass; plans those that are not yet planned. */
  programMemory(program: Handle): NativeJob<number[]>;
  execute(device: Handle, commands: readonly object[]): NativeJob<NativeOutcome[]>;
  disposeDevice(handle: Handle): void;
  disposeParameters(handle: Handle): void;
  disposeDataset(handle: Handle): void;
  disposeProgram(handle: Handle): void;
}

/** The addon itself, and the one that runs its CUDA kernels on the CPU, for tests. */
export type AddonName = 'dartsmith' | 'simt';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const require = createRequire(import.meta.url);

/** Where an addon may lie, in the order of preference: built here, else of the platform's package; see scripts/install.mjs. */
function candidates(name: AddonName): string[] {
  const chosen = process.env['DARTSMITH_ADDON'];
  if (chosen !== undefined) return [name === 'dartsmith' ? chosen : join(dirname(chosen), `${name}.node`)];
  const built = ['build-cmake', 'build'].map((folder) => join(root, folder, 'Release', `${name}.node`));
  return name === 'dartsmith' ? [...built, ...prebuilt()] : built;
}

/** The addon of the platform's package, where that is installed. */
function prebuilt(): string[] {
  try {
    return [require.resolve(`${platformPackage()}/dartsmith.node`)];
  } catch {
    return [];
  }
}

/** As scripts/machine.mjs names it. */
function platformPackage(): string {
  if (process.platform !== 'linux') return `dartsmith-${process.platform}-${process.arch}`;
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork: boolean };
  report.excludeNetwork = true; // else it may ask for names for seconds
  const { header } = report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return `dartsmith-linux-${process.arch}-${header.glibcVersionRuntime === undefined ? 'musl' : 'glibc'}`;
}

/** Why nothing was built, and what helps: another thing where the install script never ran than where it found no compiler. */
function reasonNotBuilt(name: AddonName): string {
  if (name === 'simt')
    return 'is not built: it is made for tests, in a checkout with cmake, by DARTSMITH_SIMT=ON npm run build:native';
  const path = join(root, 'install-note.txt');
  if (existsSync(path)) {
    const note = readFileSync(path, 'utf8').trim().split('\n')[0];
    return `is not built (${note}): npm rebuild dartsmith builds it where there is a C++20 compiler`;
  }
  return 'is not built since the install script did not run (npm --ignore-scripts, or pnpm before pnpm approve-builds): npm rebuild dartsmith runs it';
}

const loaded = new Map<AddonName, { addon: Addon; path: string }>();

/** An addon and where it was found. Throws BackendError that says what to do when there is none or it does not load. */
export function loadAddon(name: AddonName = 'dartsmith'): { readonly addon: Addon; readonly path: string } {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const faults: string[] = [];
  for (const path of candidates(name)) {
    if (!existsSync(path)) continue;
    try {
      const found = { addon: require(path) as Addon, path };
      loaded.set(name, found);
      return found;
    } catch (error) {
      faults.push(`${path}: ${(error as Error).message.split('\n')[0]}`);
    }
  }
  const reason =
    faults.length > 0
      ? `does not load (${faults.join('; ')}): npm rebuild dartsmith builds it anew`
      : reasonNotBuilt(name);
  throw new BackendError(`the native addon ${name === 'simt' ? 'simt ' : ''}${reason}`);
}
