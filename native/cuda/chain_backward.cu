#include "cuda/chain_kernel.cuh"

namespace dartsmith::cuda {

ChainKernel backward_chain_kernel(Precision precision, Layout layout) {
  return chain_kernel_of<true>(precision, layout);
}

}  // namespace dartsmith::cuda
