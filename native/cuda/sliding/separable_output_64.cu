#include "cuda/sliding/separable_output.cuh"

namespace dartsmith::cuda::sliding {

template <>
KernelStart<OutputPhase> output_start<64>(int kernel, Precision precision) {
  switch (kernel) {
    case 3:
      return output_start_of<3, 64>(precision);
    case 5:
      return output_start_of<5, 64>(precision);
    default:
      return output_start_of<0, 64>(precision);
  }
}

}  // namespace dartsmith::cuda::sliding
