// Separables of channels that no kernel has both window and product for: the window slides (depthwise.cuh), the product
// is a 1x1 convolution's, statistics and gradient maps are those of moments. What lies between the kernels is a tensor
// forward and three backward, 14 MB each of 96 images of 32 x 32 with 36 channels.
#pragma once
#include <map>

#include "cuda/sliding/calls.h"
#include "cuda/stream.h"

namespace dartsmith::cuda::sliding {

// Whether these take a call of so many channels whose window slides: pairs of channels that make up for what the
// kernels hand on.
bool takes_apart(int64_t channels, int64_t width);

size_t forward_bytes_apart(const KernelCall& call);
// Of calls of one kernel size and as many channels.
void forward_apart(CudaStream& stream, const Calls& calls);

// Of calls, each an address.
using Places = std::map<const KernelCall*, void*>;

size_t output_bytes_apart(const KernelCall& call);
// The output side of backward: a call's gradient of its depthwise outputs goes to its place in `gradients`, the
// pointwise weights' where the call says. `workspaces` has output_bytes_apart() of each call.
void output_apart(CudaStream& stream, const Calls& calls, const Places& gradients, const Places& workspaces);

}  // namespace dartsmith::cuda::sliding
