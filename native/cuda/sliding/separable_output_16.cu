#include "cuda/sliding/separable_output.cuh"

namespace dartsmith::cuda::sliding {

template <>
KernelStart<OutputPhase> output_start<16>(int kernel, Precision precision) {
  switch (kernel) {
    case 3:
      return output_start_of<3, 16>(precision);
    case 5:
      return output_start_of<5, 16>(precision);
    default:
      return output_start_of<0, 16>(precision);
  }
}

}  // namespace dartsmith::cuda::sliding
