import type { Device } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';

/** In which order the stand-in for CUDA runs threads, by device index; see native/simt/runtime.cc. */
export const threadOrders = ['forward', 'reverse', 'random 1', 'random 2', 'random 3'] as const;

/** A device of each order. */
export function openOrders(): Promise<Device[]> {
  return Promise.all(threadOrders.map((_, index) => openDevice({ backend: 'simt', index })));
}
