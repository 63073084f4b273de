// The contiguous arenas of a graph's parameters, and the memory that sweeps over them need.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/backend.h"
#include "engine/error.h"
#include "engine/serial.h"

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

// What the hypergradient keeps while it moves the weights.
struct HypergradientMemory {
  Buffer weights;       // w
  Buffer direction;     // v
  Buffer alpha_direct;  // dL_V/dα at w'
  Buffer alpha_plus;    // dL_T/dα at w + εv
  Buffer squared_norm;  // of v, a double
};

class Parameters {
 public:
  Parameters(const std::shared_ptr<Backend>& backend, int64_t weights, int64_t buffers, int64_t alpha)
      : backend_(backend),
        weights_(weights),
        buffers_(buffers),
        alpha_(alpha),
        norm_workspace_(backend, backend->sweeps().squared_norm_workspace_bytes(weights)) {
    for (int i = 0; i < kArenaCount; ++i) {
      const size_t bytes = elements(static_cast<Arena>(i)) * sizeof(float);
      arenas_[i] = Buffer(backend, bytes);
      if (bytes > 0) backend->initialise(arenas_[i].as<void>(), nullptr, bytes);
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

  // For the norm of the weights' gradients.
  void* norm_workspace() const { return norm_workspace_.as<void>(); }

  // Made on first use and kept, since recorded runs know where it lies. On the device's thread.
  const HypergradientMemory& hypergradient_memory() const {
    if (!hypergradient_) {
      const size_t weight_bytes = weights_ * sizeof(float), alpha_bytes = alpha_ * sizeof(float);
      hypergradient_.emplace(HypergradientMemory{Buffer(backend_, weight_bytes), Buffer(backend_, weight_bytes),
                                                 Buffer(backend_, alpha_bytes), Buffer(backend_, alpha_bytes),
                                                 Buffer(backend_, sizeof(double))});
    }
    return *hypergradient_;
  }

  // A device that failed did not give the weights back. Until they are written anew nothing may use them. These three
  // on the device's thread.
  void lose_weights() const { weights_lost_ = true; }
  void expect_weights() const {
    if (weights_lost_) fail("parameters", "the weights were lost when the device failed: load or write them anew");
  }
  void write(Arena arena, int64_t offset, const std::vector<float>& values) {
    const auto count = static_cast<int64_t>(values.size());
    backend_->upload(data(arena) + offset, values.data(), values.size() * sizeof(float));
    if (arena != Arena::kWeights || !weights_lost_) return;
    if (offset == 0) rewritten_ = 0;
    if (offset == rewritten_) rewritten_ += count;
    weights_lost_ = rewritten_ < weights_;
  }

  // Tells these from all others that ever were.
  uint64_t serial() const { return serial_; }

  size_t bytes() const {
    size_t total = 0;
    for (const Buffer& arena : arenas_) total += arena.bytes();
    return total;
  }

 private:
  const std::shared_ptr<Backend> backend_;
  const uint64_t serial_ = next_serial();
  int64_t weights_, buffers_, alpha_;
  mutable bool weights_lost_ = false;
  int64_t rewritten_ = 0;  // of lost weights, from the first on
  Buffer norm_workspace_;
  mutable std::optional<HypergradientMemory> hypergradient_;
  std::array<Buffer, kArenaCount> arenas_;
};

}  // namespace dartsmith
