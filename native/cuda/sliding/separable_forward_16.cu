#include "cuda/sliding/separable_forward.cuh"

namespace dartsmith::cuda::sliding {

template <>
KernelStart<ForwardPhase> forward_start<16>(int kernel, Precision precision) {
  return kernel == 3 ? forward_start_of<3, 16>(precision) : forward_start_of<5, 16>(precision);
}

}  // namespace dartsmith::cuda::sliding
