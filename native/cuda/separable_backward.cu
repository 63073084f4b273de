#include "cuda/separable.cuh"

namespace dartsmith::cuda::separable {

Kernel product_kernel(Precision precision, Layout layout) {
  return kernel_of(precision, layout,
                   [](auto known, auto lies) -> Kernel { return tiles_product_kernel<known.value, lies.value>; });
}

Kernel data_kernel(Layout layout) {
  return with_layout(layout, [](auto lies) -> Kernel { return tiles_data_kernel<lies.value>; });
}

}  // namespace dartsmith::cuda::separable
