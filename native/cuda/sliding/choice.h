// Which of two designs of kernels runs.
#pragma once
#include <cstdlib>
#include <string_view>

#include "engine/error.h"

namespace dartsmith::cuda::sliding {

// Whether kernels of sliding warps are taken where there are some. DARTSMITH_CUDA_KERNELS=tiles leaves all to tiles, as
// long as sliding warps have not run on a GPU. Throws Error for a value that means nothing.
inline bool chosen() {
  static const bool sliding = [] {
    const char* value = std::getenv("DARTSMITH_CUDA_KERNELS");
    const std::string_view wanted = value == nullptr || *value == '\0' ? "sliding" : value;
    if (wanted != "sliding" && wanted != "tiles") {
      fail("cuda", "expected DARTSMITH_CUDA_KERNELS to be sliding or tiles but got '", wanted, "'");
    }
    return wanted == "sliding";
  }();
  return sliding;
}

}  // namespace dartsmith::cuda::sliding
