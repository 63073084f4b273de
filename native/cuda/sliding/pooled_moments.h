// Moments of poolings by warps (sliding/pooled_moments.cuh).
#pragma once
#include <vector>

#include "cuda/pooled_moments.cuh"
#include "cuda/stream.h"

namespace dartsmith::cuda::sliding {

// Whether a kernel is compiled for the pooling.
bool takes(const pooled_moments::Measured& measured, Precision precision);
// Pieces of its partial sums.
int64_t pooled_pieces(const Tensor& x);
void pooled_moments_forward(CudaStream& stream, const std::vector<pooled_moments::Measured>& measured);

}  // namespace dartsmith::cuda::sliding
