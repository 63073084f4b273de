#include "engine/memory.h"

#include <algorithm>
#include <numeric>

namespace dartsmith {

Placement place_buffers(const std::vector<Lifetime>& lifetimes) {
  constexpr int64_t kAlignment = 64;
  std::vector<int> order(lifetimes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return lifetimes[a].bytes > lifetimes[b].bytes; });

  Placement placement;
  placement.offsets.assign(lifetimes.size(), 0);
  std::vector<int> placed;  // by offset
  for (int id : order) {
    const Lifetime& life = lifetimes[id];
    const int64_t bytes = (life.bytes + kAlignment - 1) / kAlignment * kAlignment;
    int64_t offset = 0;
    for (int other : placed) {
      const Lifetime& taken = lifetimes[other];
      if (taken.last < life.first || life.last < taken.first) continue;
      if (placement.offsets[other] >= offset + bytes) break;
      offset = std::max(offset, placement.offsets[other] + (taken.bytes + kAlignment - 1) / kAlignment * kAlignment);
    }
    placement.offsets[id] = offset;
    placement.total_bytes = std::max(placement.total_bytes, offset + bytes);
    const auto after = [&](int a, int b) { return placement.offsets[a] < placement.offsets[b]; };
    placed.insert(std::upper_bound(placed.begin(), placed.end(), id, after), id);
  }
  return placement;
}

}  // namespace dartsmith
