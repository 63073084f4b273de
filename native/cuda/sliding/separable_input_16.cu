#include "cuda/sliding/separable_input.cuh"

namespace dartsmith::cuda::sliding {

template <>
KernelStart<InputPhase> input_start<16>(bool half, bool weights) {
  return input_start_of<16>(half, weights);
}

}  // namespace dartsmith::cuda::sliding
