// The contiguous arenas of a graph's parameters.
#pragma once
#include <array>
#include <cstdint>
#include <memory>

#include "engine/backend.h"

namespace dartsmith {

// Numbered as in src/backend/parameters.ts.
enum class Arena {
  kWeights,
  kWeightGradients,
  kMomentum,
  kBuffers,
  kAlpha,
  kAlphaGradients,
  kAlphaMean,
  kAlphaVariance
};
inline constexpr int kArenaCount = 8;

class Parameters {
 public:
  Parameters(const std::shared_ptr<Backend>& backend, int64_t weights, int64_t buffers, int64_t alpha)
      : weights_(weights), buffers_(buffers), alpha_(alpha) {
    for (int i = 0; i < kArenaCount; ++i) {
      const size_t bytes = elements(static_cast<Arena>(i)) * sizeof(float);
      arenas_[i] = Buffer(backend, bytes);
      if (bytes > 0) backend->clear(arenas_[i].as<void>(), bytes);
    }
  }

  int64_t elements(Arena arena) const {
    switch (arena) {
      case Arena::kWeights:
      case Arena::kWeightGradients:
      case Arena::kMomentum:
        return weights_;
      case Arena::kBuffers:
        return buffers_;
      default:
        return alpha_;
    }
  }

  float* data(Arena arena) const { return arenas_[static_cast<int>(arena)].as<float>(); }

  size_t bytes() const {
    size_t total = 0;
    for (const Buffer& arena : arenas_) total += arena.bytes();
    return total;
  }

 private:
  int64_t weights_, buffers_, alpha_;
  std::array<Buffer, kArenaCount> arenas_;
};

}  // namespace dartsmith
