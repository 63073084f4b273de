#include "cuda/sliding/separable_forward.cuh"

namespace dartsmith::cuda::sliding {

template <>
KernelStart<ForwardPhase> forward_start<32>(int kernel, Precision precision) {
  return kernel == 3 ? forward_start_of<3, 32>(precision) : forward_start_of<5, 32>(precision);
}

}  // namespace dartsmith::cuda::sliding
