// The way back through poolings (pool.cuh): of maxPool and avgPool, and of those that pooledMoments measured.
#pragma once
#include <vector>

#include "cuda/pool.cuh"

namespace dartsmith::cuda::pool {

// Of the calls that measured one pooling of one tensor, the first one; `pooled` has the pooled shape. The others
// join().
PoolSet set_of(const KernelCall& call, const PoolAttributes& pool, const Tensor& pooled);
void join(PoolSet& set, const KernelCall& call);

// Leaves the gradients of the sets' inputs, summed where sets share one: overwritten or accumulated as each set says.
void start_backward(Stream& stream, Precision precision, std::vector<PoolSet>& sets);

// Of a call's workspace.
size_t backward_bytes(const KernelCall& call, const Tensor& pooled);

}  // namespace dartsmith::cuda::pool
