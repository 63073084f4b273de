// One first-order step of the published search, as a program: what Nsight Compute looks at.
import type { BackendName } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import { openSearch } from './search_steps.ts';
import { sizesFor } from './sizes.ts';

/** Takes one step. */
export async function stepsOnce(backend: BackendName): Promise<void> {
  using device = await openDevice({ backend });
  using search = await openSearch(device, sizesFor(backend, false).step);
  await search.step('first order', 0);
}

if (import.meta.filename === process.argv[1]) await stepsOnce(process.argv[2] as BackendName);
