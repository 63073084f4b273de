// Calls as launches of sliding warps take them: those that they take at all, and those of one kind side by side.
#pragma once
#include <algorithm>
#include <vector>

#include "cuda/stream.h"
#include "cuda/task.cuh"

namespace dartsmith::cuda::sliding {

using Calls = std::vector<const KernelCall*>;

// Calls slide(those that `slides` takes), then tile(the others, their number).
template <typename Slides, typename Slide, typename Tile>
void share(const KernelCall* calls, int count, const Slides& slides, const Slide& slide, const Tile& tile) {
  Calls sliding;
  std::vector<KernelCall> tiled;
  for (const KernelCall* call = calls; call < calls + count; ++call) {
    if (slides(*call)) {
      sliding.push_back(call);
    } else {
      tiled.push_back(*call);
    }
  }
  slide(sliding);
  tile(tiled.data(), static_cast<int>(tiled.size()));
}

// Whether activations are stored in half the memory, for which kernels are compiled apart.
inline bool halved(Precision precision) {
  return precision == Precision::kBf16;
}

// Whether inputs and output are stored as the precision of a call has it, for which kernels are compiled.
inline bool stored_alike(const KernelCall& call) {
  const bool half = halved(call.precision);
  const auto is_alike = [&](const Tensor& tensor) { return halved(tensor.precision) == half; };
  return std::all_of(call.inputs, call.inputs + call.input_count, is_alike) && is_alike(call.output);
}
// Whether the gradients of both are.
inline bool gradients_stored_alike(const KernelCall& call) {
  const bool half = halved(call.precision);
  const auto is_alike = [&](const GradientTarget& target) {
    return target.mode == GradientMode::kIgnore || halved(target.precision) == half;
  };
  return halved(call.gradient_precision) == half &&
         std::all_of(call.input_gradients, call.input_gradients + call.input_count, is_alike);
}

// Those of one kind side by side, as many at most as a launch takes.
template <typename Kind>
std::vector<Calls> kinds_of(Calls calls, const Kind& kind) {
  std::ranges::stable_sort(calls, {}, kind);
  std::vector<Calls> parts;
  for (const KernelCall* call : calls) {
    const bool joins = !parts.empty() && parts.back().size() < kMembers && kind(parts.back()[0]) == kind(call);
    (joins ? parts.back() : parts.emplace_back()).push_back(call);
  }
  return parts;
}
// Calls body(calls) for those, each in a branch of the stream.
template <typename Kind, typename Body>
void for_kinds(CudaStream& stream, const Calls& calls, const Kind& kind, const Body& body) {
  const std::vector<Calls> parts = kinds_of(calls, kind);
  stream.in_branches(static_cast<int>(parts.size()), [&](int i) { body(parts[i]); });
}

}  // namespace dartsmith::cuda::sliding
