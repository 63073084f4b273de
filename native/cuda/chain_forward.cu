#include "cuda/chain_kernel.cuh"

namespace dartsmith::cuda {

ChainKernel forward_chain_kernel(Precision precision, Layout layout) {
  return chain_kernel_of<false>(precision, layout);
}

}  // namespace dartsmith::cuda
