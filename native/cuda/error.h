// CUDA's error codes as the engine's errors.
#pragma once
#include <cuda_runtime.h>

#include "engine/fail.h"

namespace dartsmith::cuda {

// Throws Error "[what] ..." for a failed call. A failed launch or a lost device shows up at whatever call comes next.
inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // forgets one that does not stay
  if (status == cudaErrorNoKernelImageForDevice) {
    fail("cuda", "the addon holds no kernels for this GPU: npm rebuild dartsmith, with nvcc on the PATH, makes them");
  }
  fail("cuda", what, " failed: ", cudaGetErrorString(status));
}

}  // namespace dartsmith::cuda
