// The kernels of a recurrent cell's two directions, and what they need of scratch memory.
#pragma once
#include "cuda/stream.h"

namespace dartsmith::cuda::recurrent {

void forward(Stream& stream, const KernelCall& call);
void backward(Stream& stream, const KernelCall& call);
size_t forward_bytes(const KernelCall& call);
size_t backward_bytes(const KernelCall& call);

}  // namespace dartsmith::cuda::recurrent
