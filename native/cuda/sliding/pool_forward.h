// Poolings that are stored, by warps (sliding/pool_forward.cuh).
#pragma once
#include "cuda/sliding/calls.h"

namespace dartsmith::cuda::sliding {

// Whether a kernel is compiled for the pooling.
bool takes_pooling(const KernelCall& call);
void pool_forward(CudaStream& stream, const Calls& calls);

}  // namespace dartsmith::cuda::sliding
