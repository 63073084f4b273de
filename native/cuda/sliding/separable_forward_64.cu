#include "cuda/sliding/separable_forward.cuh"

namespace dartsmith::cuda::sliding {

template <>
KernelStart<ForwardPhase> forward_start<64>(int kernel, Precision precision) {
  return kernel == 3 ? forward_start_of<3, 64>(precision) : forward_start_of<5, 64>(precision);
}

}  // namespace dartsmith::cuda::sliding
