// Devices whose calls into the backend fail when they are told to (native/simt/failing.h).
import type { Device } from '../../src/backend/device.ts';
import { type Addon, type Handle, loadAddon, type NativeDeviceOptions } from '../../src/backend/native/addon.ts';
import { deviceOf } from '../../src/backend/native/device.ts';

/** What the stand-in's addon has beside the addon's own functions. */
interface FailingAddon extends Addon {
  openFailing(options: NativeDeviceOptions): Handle;
  failAt(device: Handle, first: number, times: number): number;
  runFailingTasks(threads: number): number;
}

const addon = loadAddon('simt').addon as FailingAddon;

const optionsOf = {
  cpu: { backend: 'cpu', threads: 2, instructionSet: '', memoryLimitBytes: 0 },
  simt: { backend: 'cuda', index: 0, memoryLimitBytes: 0 },
} as const;

/** A device, and how it is made to fail. */
export interface FailingDevice {
  readonly device: Device;
  /**
   * Lets the `first`-th call into the backend from now on fail, counted from 1, and each of the `times` - 1 behind it; 0 for none.
   * Gives how many calls there were since it was called last.
   */
  failAt(first: number, times?: number): number;
}

/** Opens one; nothing fails at first. */
export function openFailing(backend: keyof typeof optionsOf): FailingDevice {
  const handle = addon.openFailing(optionsOf[backend]);
  return {
    device: deviceOf(backend, addon, handle),
    failAt: (first, times = 1) => addon.failAt(handle, first, times),
  };
}

/** Of eight runs of a thread pool in which a task throws, how many came back as an exception. */
export function runFailingTasks(threads: number): number {
  return addon.runFailingTasks(threads);
}
