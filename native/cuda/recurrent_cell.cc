#include "cuda/kernels.h"
#include "cuda/recurrent.h"

namespace dartsmith::cuda {
namespace {

size_t workspace_bytes(const KernelCall& call, bool backward) {
  return backward ? recurrent::backward_bytes(call) : recurrent::forward_bytes(call);
}

}  // namespace

const OpKernels recurrent_cell_kernels = {recurrent::forward, recurrent::backward, workspace_bytes};

}  // namespace dartsmith::cuda
