/** In which order the stand-in for CUDA runs threads, by device index; see native/simt/runtime.cc. */
export const threadOrders = ['forward', 'reverse', 'random 1', 'random 2', 'random 3'] as const;
