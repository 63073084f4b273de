// Sums of weighed inputs by warps (sliding/combine.cuh).
#pragma once
#include "cuda/combine.cuh"
#include "cuda/stream.h"

namespace dartsmith::cuda::sliding {

// Whether a kernel is compiled for what the sum touches.
bool takes(const combine::Combine& c, Precision precision);
// Pieces of its partial sums.
int64_t combine_pieces(const Tensor& output);
void combine_forward(CudaStream& stream, combine::Combine c);
void combine_backward(CudaStream& stream, combine::Combine c);

}  // namespace dartsmith::cuda::sliding
