// The way back through poolings by warps (sliding/pool_backward.cuh).
#pragma once
#include <vector>

#include "cuda/pool_backward.h"

namespace dartsmith::cuda::sliding {

// Whether a kernel is compiled for the pooling.
bool takes(const pool::PoolSet& set, Precision precision);
// Sets of one target come side by side.
void pool_backward(CudaStream& stream, const std::vector<pool::PoolSet>& sets);

}  // namespace dartsmith::cuda::sliding
