// What runs under compute-sanitizer (bench/gpu/stages/sanitizer.ts): every kernel of the catalogue at an odd size and search
// steps, recorded ones too, in every precision. The argument is the backend.
import type { BackendName } from '../../src/backend/device.ts';
import { ArgumentError } from '../../src/errors.ts';
import { kernelNames, kernelVariants } from '../../src/kernels/catalogue.ts';
import { drawBatch } from '../../src/kernels/draw.ts';
import { openKernel } from '../../src/kernels/open.ts';
import { openContext } from './context.ts';
import { openSearch, orders } from './search_steps.ts';
import type { NetworkSize } from './sizes.ts';

/** Of 16 to 64 channels, which sliding warps take; the catalogue's sizes are those of tiles. */
const size: NetworkSize = { batch: 2, image: [8, 8, 3], channels: 16, layers: 3 };
const quiet = { secondsLeft: () => Number.POSITIVE_INFINITY, progress: () => {}, keep: () => {} };

const options = { backend: process.argv[2] as BackendName, quick: true, rivals: false };
const { backend, device, precisions, sizes } = await openContext(options, quiet);
for (const precision of precisions) {
  for (const name of kernelNames) {
    for (const definition of variants(name)) {
      using kernel = await openKernel(device, { ...definition, batchSize: 2, precision });
      const { inputs, outputGradient, labels, dropout } = drawBatch(kernel.graph, kernel.samples, 0);
      await kernel.backward(inputs, outputGradient, { labels, dropout });
    }
  }
  for (const order of orders) {
    using search = await openSearch(device, backend === 'cuda' ? size : sizes.repeated, { precision });
    // Kernel by kernel, recorded, replayed.
    for (let step = 0; step < 3; step++) await search.step(order, step);
  }
}
device.dispose();

/** At odd sizes, else at even ones: a reduction wants them. */
function variants(name: (typeof kernelNames)[number]) {
  try {
    return kernelVariants(name, [5, 7, 9]);
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    return kernelVariants(name, [6, 6, 10]);
  }
}
