// The contiguous arenas of a graph's parameters, and the memory that sweeps over them need.
#pragma once
#include <algorithm>
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
  kAlphaVariance,
  kVariance,  // of the weights' gradients, for Adam; empty unless asked for
  kStates     // hidden states that batches of a text hand on
};
inline constexpr int kArenaCount = 10;

// Memory of all weights beside the arenas: what the hypergradient keeps while it moves the weights, and gradients.
enum class Scratch {
  kWeights,    // w
  kDirection,  // v
  kKept,       // gradients while a pass computes others that they are added to
  kUnwanted    // gradients that come with wanted ones
};
inline constexpr int kScratchCount = 4;

// What passes that are put together keep of alpha's gradient.
struct AlphaMemory {
  Buffer kept;                   // dL_V/dα at w' of the hypergradient, or what a pass is added to
  Buffer plus;                   // dL_T/dα at w + εv
  Buffer squared_norm;           // of v, a double
  Buffer training_squared_norm;  // of the training gradient
};

class Parameters {
 public:
  // With `second_moments` Adam can work on the weights.
  Parameters(const std::shared_ptr<Backend>& backend, int64_t weights, int64_t buffers, int64_t alpha,
             bool second_moments, int64_t states)
      : backend_(backend),
        weights_(weights),
        buffers_(buffers),
        alpha_(alpha),
        states_(states),
        second_moments_(second_moments),
        norm_workspace_(backend, backend->sweeps().squared_norm_workspace_bytes(std::max(weights, alpha))) {
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
      case Arena::kVariance:
        return second_moments_ ? weights_ : 0;
      case Arena::kStates:
        return states_;
      default:
        return alpha_;
    }
  }

  float* data(Arena arena) const { return arenas_[static_cast<int>(arena)].as<float>(); }

  // For the norm of gradients.
  void* norm_workspace() const { return norm_workspace_.as<void>(); }

  // These two are made on first use and kept, since recorded runs know where they lie. On the device's thread.
  float* scratch(Scratch which) const {
    Buffer& buffer = scratch_[static_cast<int>(which)];
    if (buffer.bytes() == 0) buffer = Buffer(backend_, weights_ * sizeof(float));
    return buffer.as<float>();
  }
  const AlphaMemory& alpha_memory() const {
    if (!alpha_memory_) {
      const size_t bytes = alpha_ * sizeof(float);
      alpha_memory_.emplace(AlphaMemory{Buffer(backend_, bytes), Buffer(backend_, bytes),
                                        Buffer(backend_, sizeof(double)), Buffer(backend_, sizeof(double))});
    }
    return *alpha_memory_;
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
  int64_t weights_, buffers_, alpha_, states_;
  mutable bool weights_lost_ = false;
  int64_t rewritten_ = 0;  // of lost weights, from the first on
  bool second_moments_;
  Buffer norm_workspace_;
  mutable std::array<Buffer, kScratchCount> scratch_;
  mutable std::optional<AlphaMemory> alpha_memory_;
  std::array<Buffer, kArenaCount> arenas_;
};

}  // namespace dartsmith
