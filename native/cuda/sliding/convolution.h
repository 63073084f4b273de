// 1x1 convolutions by the products of sliding warps (convolution.cuh): which calls they take, and how they start.
#pragma once
#include "cuda/sliding/calls.h"

namespace dartsmith::cuda::sliding {

// Whether kernels are compiled for the call's window, channels and precision.
bool takes_convolution(const KernelCall& call);
// Whether they are also for how the call's gradients are stored.
bool takes_convolution_backward(const KernelCall& call);
// Whether these take a call's inputs as the parts of a concatenation: all else knows of no such calls.
bool joins(const KernelCall& call);
// What a call needs of its workspace, backward.
size_t convolution_bytes(const KernelCall& call);
void convolve(CudaStream& stream, const Calls& calls);
void convolve_backward(CudaStream& stream, const Calls& calls);

}  // namespace dartsmith::cuda::sliding
