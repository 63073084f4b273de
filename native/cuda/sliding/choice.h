// Which of two designs of kernels runs, and for which channels kernels of sliding warps are compiled.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <type_traits>

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

// The channels that kernels are compiled for; from row to row they count bytes in 32 bits.
constexpr bool has_kernels(int64_t channels, int64_t width) {
  return (channels == 16 || channels == 32 || channels == 64) && width < int64_t{1} << 20;
}

// Calls body(a constant) for such a number of channels.
template <typename Body>
auto with_channels(int64_t channels, const Body& body) {
  switch (channels) {
    case 16:
      return body(std::integral_constant<int, 16>{});
    case 32:
      return body(std::integral_constant<int, 32>{});
    default:
      return body(std::integral_constant<int, 64>{});
  }
}

}  // namespace dartsmith::cuda::sliding
