#include "cuda/sliding/separable_input.cuh"

namespace dartsmith::cuda::sliding {

template <>
KernelStart<InputPhase> input_start<64>(bool half, bool weights) {
  const size_t bytes = shared_bytes<InputParts<64>>();
  if (half) return {weights ? separable_input_kernel<64, true, true> : separable_input_kernel<64, true, false>, bytes};
  return {weights ? separable_input_kernel<64, false, true> : separable_input_kernel<64, false, false>, bytes};
}

}  // namespace dartsmith::cuda::sliding
