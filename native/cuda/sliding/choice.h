// Which of two designs of kernels runs, and for which channels kernels of sliding warps are compiled.
#pragma once
#include <cstdint>
#include <type_traits>

#include "cuda/choice.h"

namespace dartsmith::cuda::sliding {

// Whether kernels of sliding warps are taken where there are some. DARTSMITH_CUDA_KERNELS=tiles leaves all to tiles, as
// long as sliding warps have not run on a GPU. Throws Error for a value that means nothing.
inline bool chosen() {
  static const bool sliding = chooses_first("DARTSMITH_CUDA_KERNELS", "sliding", "tiles");
  return sliding;
}

// The channels that kernels are compiled for.
constexpr bool compiled_for(int64_t channels) {
  return channels == 16 || channels == 32 || channels == 64;
}
// The same for images of a width: from row to row kernels count bytes in 32 bits.
constexpr bool has_kernels(int64_t channels, int64_t width) {
  return compiled_for(channels) && width < int64_t{1} << 20;
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
