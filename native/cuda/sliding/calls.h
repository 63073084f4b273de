// Calls as launches of sliding warps take them: those that they take at all, and those of one kind side by side.
#pragma once
#include <algorithm>
#include <span>
#include <vector>

#include "cuda/stream.h"
#include "cuda/task.cuh"

namespace dartsmith::cuda::sliding {

using Calls = std::vector<const KernelCall*>;

// Calls that sliding warps take, and the others, for tiles.
struct Shares {
  Calls sliding;
  std::vector<KernelCall> tiled;

  void add(const KernelCall& call, bool slides) {
    if (slides) {
      sliding.push_back(&call);
    } else {
      tiled.push_back(call);
    }
  }
};

// Whether activations are stored in half the memory, for which kernels are compiled apart.
inline bool halved(Precision precision) {
  return precision == Precision::kBf16;
}

// Calls body(calls, count) for those of one kind side by side, so many at most, each in a branch of the stream.
template <typename Kind, typename Body>
void for_kinds(CudaStream& stream, const Calls& calls, const Kind& kind, const Body& body) {
  Calls sorted = calls;
  std::ranges::stable_sort(sorted, {}, kind);
  std::vector<std::span<const KernelCall* const>> parts;
  for (size_t first = 0; first < sorted.size(); first += parts.back().size()) {
    size_t next = first + 1;
    while (next < sorted.size() && next - first < kMembers && kind(sorted[next]) == kind(sorted[first])) ++next;
    parts.emplace_back(sorted.data() + first, next - first);
  }
  stream.in_branches(static_cast<int>(parts.size()),
                     [&](int i) { body(parts[i].data(), static_cast<int>(parts[i].size())); });
}

}  // namespace dartsmith::cuda::sliding
