// Which of two designs of kernels runs.
#pragma once
#include <cstdlib>
#include <cstring>

namespace dartsmith::cuda::sliding {

// Whether kernels of sliding warps are taken where there are some. DARTSMITH_CUDA_KERNELS=tiles leaves all to tiles, as
// long as sliding warps have not run on a GPU.
inline bool chosen() {
  static const bool tiles = [] {
    const char* wanted = std::getenv("DARTSMITH_CUDA_KERNELS");
    return wanted != nullptr && std::strcmp(wanted, "tiles") == 0;
  }();
  return !tiles;
}

}  // namespace dartsmith::cuda::sliding
