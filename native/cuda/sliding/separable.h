// Separables by warps that slide down the rows (separable_forward.cuh): which calls they take, and how they start.
#pragma once
#include <vector>

#include "cuda/stream.h"

namespace dartsmith::cuda::sliding {

// Whether a kernel is compiled for the call's window, channels and precision. No other look at it is needed.
bool takes(const KernelCall& call);
// What a call's forward needs of its workspace.
size_t forward_bytes(const KernelCall& call);
void forward(CudaStream& stream, const std::vector<const KernelCall*>& calls);

}  // namespace dartsmith::cuda::sliding
