import type { BackendName, Device } from '../../src/backend/device.ts';
import { describeBackends, openDevice } from '../../src/backend/open.ts';

/** The order of columns: the reference that is not ours comes first. */
export const placeNames: readonly BackendName[] = ['tfjs', 'cpu', 'simt', 'cuda'];

/** A backend that is compared. */
export interface Place extends Disposable {
  readonly name: BackendName;
  readonly device: Device;
}

/** Backends that can be used here. */
export async function usablePlaces(): Promise<BackendName[]> {
  const reports = await describeBackends();
  return placeNames.filter((name) => reports.some((report) => report.name === name && report.usable));
}

/** Opens some; simt runs threads in the forward order. Throws BackendError. */
export async function openPlaces(names: readonly BackendName[]): Promise<Place[]> {
  const places: Place[] = [];
  for (const name of names) {
    const device = await openDevice(name === 'simt' ? { backend: name, index: 0 } : { backend: name });
    places.push({ name, device, [Symbol.dispose]: () => device.dispose() });
  }
  return places;
}

/** Every two of some places, in their order. */
export function pairsOf<T>(places: readonly T[]): (readonly [T, T])[] {
  return places.flatMap((first, i) => places.slice(i + 1).map((second) => [first, second] as const));
}
