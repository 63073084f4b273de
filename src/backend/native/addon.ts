// The native addon as TypeScript sees it, and where it is found.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
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
  readonly gradientNorm?: number;
  readonly outputs: readonly (readonly [number, Float32Array])[];
  readonly inputGradients: readonly (readonly [number, Float32Array])[];
  readonly profile?: readonly KernelProfile[];
}

/** The functions that native/binding exports. */
export interface Addon {
  instructionSets(): string[];
  openDevice(options: { threads: number; instructionSet: string }): Handle;
  describeDevice(device: Handle): { description: string; arenaBytes: number };
  measurePeak(device: Handle): NativeJob<Peak>;
  createParameters(device: Handle, weights: number, buffers: number, alpha: number): Handle;
  readParameters(parameters: Handle, arena: number): NativeJob<Float32Array>;
  writeParameters(parameters: Handle, arena: number, offset: number, values: Float32Array): NativeJob<undefined>;
  createDataset(
    device: Handle,
    images: Uint8Array,
    labels: Int32Array,
    height: number,
    width: number,
    channels: number,
  ): Handle;
  compile(device: Handle, graph: object, batchSize: number, fuse: boolean, bfloat16: boolean): Handle;
  programMemory(program: Handle): number[];
  execute(device: Handle, commands: readonly object[]): NativeJob<NativeOutcome[]>;
  disposeDevice(handle: Handle): void;
  disposeParameters(handle: Handle): void;
  disposeDataset(handle: Handle): void;
  disposeProgram(handle: Handle): void;
}

/** Where an addon may lie, in the order of preference; see scripts/install.mjs. */
function candidates(): string[] {
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  const chosen = process.env['DARTSMITH_ADDON'];
  if (chosen !== undefined) return [chosen];
  return [
    join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'dartsmith.node'),
    join(root, 'build-cmake', 'Release', 'dartsmith.node'),
    join(root, 'build', 'Release', 'dartsmith.node'),
  ];
}

let loaded: { addon: Addon; path: string } | undefined;

/** The addon and where it was found. Throws BackendError that says what to do when there is none or it does not load. */
export function loadAddon(): { readonly addon: Addon; readonly path: string } {
  if (loaded !== undefined) return loaded;
  const faults: string[] = [];
  const require = createRequire(import.meta.url);
  for (const path of candidates()) {
    if (!existsSync(path)) continue;
    try {
      loaded = { addon: require(path) as Addon, path };
      return loaded;
    } catch (error) {
      faults.push(`${path}: ${(error as Error).message.split('\n')[0]}`);
    }
  }
  const reason = faults.length > 0 ? `does not load (${faults.join('; ')})` : 'is not built';
  throw new BackendError(`the native addon ${reason}: install a C++20 compiler and run npm rebuild dartsmith`);
}
