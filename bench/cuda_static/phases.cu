// Phases of the chain (native/cuda/chain_kernel.cuh) as kernels of their own, so that their machine code can be read: what
// an H100 has measured of them is what time_model.ts is calibrated by. Never launched.
#include "cuda/chain_kernel.cuh"

namespace dartsmith::cuda {

using separable::Separable;

template <Precision precision>
__global__ void __launch_bounds__(kThreads, kBlocks) separable_forward_phase(DARTSMITH_ARGUMENT(Separable) s) {
  Shared shared(shared_memory());
  separable::forward<precision, Layout::kFloats>(s, shared);
}
template <Precision precision>
__global__ void __launch_bounds__(kThreads, kBlocks) separable_backward_phase(DARTSMITH_ARGUMENT(Separable) s) {
  Shared shared(shared_memory());
  separable::backward<precision, Layout::kFloats>(s, shared);
}

template __global__ void separable_forward_phase<Precision::kFp32>(DARTSMITH_ARGUMENT(Separable) s);
template __global__ void separable_backward_phase<Precision::kFp32>(DARTSMITH_ARGUMENT(Separable) s);

}  // namespace dartsmith::cuda
