import type { BackendName } from '../../src/backend/device.ts';
import { describeBackends, type OpenDeviceOptions } from '../../src/backend/open.ts';
import { threadOrders } from './simt.ts';

/** A backend that tests run on, and devices of it whose results must have the same bits. */
export interface TestBackend {
  readonly name: BackendName;
  readonly device: OpenDeviceOptions;
  readonly others: readonly { readonly title: string; readonly device: OpenDeviceOptions }[];
}

/** Whether this machine has a GPU for the CUDA backend. */
export const hasGpu = (await describeBackends()).some(({ name, usable }) => name === 'cuda' && usable);

/** The CPU with other numbers of threads, and the CUDA kernels on their stand-in with other orders of threads. */
export const testBackends: readonly TestBackend[] = [
  {
    name: 'cpu',
    device: { backend: 'cpu', threads: 2 },
    others: [1, 3, 8].map((threads) => ({ title: `${threads} threads`, device: { backend: 'cpu', threads } })),
  },
  {
    name: 'simt',
    device: { backend: 'simt', index: 0 },
    others: threadOrders
      .map((order, index) => ({ title: `threads in order ${order}`, device: { backend: 'simt' as const, index } }))
      .slice(1),
  },
];

/** TensorFlow.js as well, which is too slow for large tables of cases here. */
export const allBackends: readonly TestBackend[] = [
  ...testBackends,
  { name: 'tfjs', device: { backend: 'tfjs' }, others: [] },
];
