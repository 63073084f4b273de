#include "cpu/recurrent.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

size_t workspace_bytes(const KernelCall& call, bool backward) {
  return backward ? recurrent_backward_bytes(call) : recurrent_forward_bytes(call);
}

}  // namespace

constinit const OpKernels recurrent_cell_kernels = {recurrent_forward, recurrent_backward, workspace_bytes};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
