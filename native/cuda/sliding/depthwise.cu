#include "cuda/sliding/depthwise.cuh"

namespace dartsmith::cuda::sliding {

KernelStart<DepthwisePhase> depthwise_start(int kernel, bool half, int64_t channels) {
  const size_t bytes = shared_bytes<DepthwiseParts>(Channels<0>(channels));
  if (kernel == 3) return {half ? depthwise_kernel<3, true> : depthwise_kernel<3, false>, bytes};
  return {half ? depthwise_kernel<5, true> : depthwise_kernel<5, false>, bytes};
}

}  // namespace dartsmith::cuda::sliding
