#include "cuda/sliding/separable_input.cuh"

namespace dartsmith::cuda::sliding {

template <>
KernelStart<InputPhase> input_start<0>(bool half, bool weights, int64_t channels) {
  return input_start_of<0>(half, weights, channels);
}

}  // namespace dartsmith::cuda::sliding
