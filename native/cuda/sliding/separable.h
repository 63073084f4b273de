// Separables by warps that slide down the rows (separable_forward.cuh, separable_output.cuh, separable_input.cuh, and
// for channels that the first two are not compiled for separable_apart.h): which calls they take, and how they start.
#pragma once
#include "cuda/sliding/calls.h"
#include "cuda/stream.h"

namespace dartsmith::cuda::sliding {

// Whether kernels are compiled for the call's window, channels and precision.
bool takes(const KernelCall& call);
// Whether they are also for how the call's gradients are stored.
bool takes_backward(const KernelCall& call);
// What a call needs of its workspace.
size_t forward_bytes(const KernelCall& call);
size_t backward_bytes(const KernelCall& call);
void forward(CudaStream& stream, const Calls& calls);
// All calls that read an input come together, in the order in which its gradient is summed.
void backward(CudaStream& stream, const Calls& calls);

}  // namespace dartsmith::cuda::sliding
