// Copies to shared memory that are under way while a thread goes on.
#pragma once
#include <cuda_pipeline_primitives.h>

#include "cuda/task.cuh"

namespace dartsmith::cuda {

// Four floats, of which both ends are aligned to 16 bytes; they are there once this thread has waited and all others
// that read them have met it at a barrier.
__device__ __forceinline__ void copy_later(float* shared, const float* from) {
  __pipeline_memcpy_async(shared, from, sizeof(float4));
}
// Ends a batch of copies.
__device__ __forceinline__ void commit_copies() {
  __pipeline_commit();
}
// For all batches of this thread but the last `under_way`.
template <int under_way>
__device__ __forceinline__ void wait_for_copies() {
  __pipeline_wait_prior(under_way);
}

}  // namespace dartsmith::cuda
