#include "cuda/separable.cuh"

namespace dartsmith::cuda::separable {

Kernel forward_kernel(Precision precision, Layout layout) {
  return kernel_of(precision, layout,
                   [](auto known, auto lies) -> Kernel { return tiles_forward_kernel<known.value, lies.value>; });
}

}  // namespace dartsmith::cuda::separable
