import { type BackendName, type Device, type Precision, precisions } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { StageOutcome } from './outcome.ts';
import { type Sizes, sizesFor } from './sizes.ts';

/** What a stage works with. */
export interface Context {
  readonly backend: BackendName;
  readonly quick: boolean;
  /** Whether rivals are asked. */
  readonly rivals: boolean;
  readonly sizes: Sizes;
  /** What is checked. */
  readonly device: Device;
  /** Those that the device computes in, `fp32` first. */
  readonly precisions: readonly Precision[];
  /** Seconds until the whole check has to end; Infinity where it need not. */
  secondsLeft(): number;
  /** Tells where the stage is. */
  progress(text: string): void;
  /** Keeps what the stage has found so far, should it not come to its end. */
  keep(outcome: StageOutcome): void;
}

/** What only the process knows. */
export type Surroundings = Pick<Context, 'secondsLeft' | 'progress' | 'keep'>;

/** Opens the device. Throws BackendError where it cannot be used. */
export async function openContext(
  { backend, quick, rivals }: Pick<Context, 'backend' | 'quick' | 'rivals'>,
  around: Surroundings,
): Promise<Context> {
  const device = await openDevice({ backend });
  const computed = precisions.filter((precision) => backend !== 'cpu' || precision !== 'tf32');
  return { backend, quick, rivals, sizes: sizesFor(backend, quick), device, precisions: computed, ...around };
}

/** The CPU engine with every core: its own tests hold it to the float64 reference, so that it serves as one. */
export function openOracle(): Promise<Device> {
  return openDevice({ backend: 'cpu' });
}
