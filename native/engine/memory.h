// Offsets for buffers with known lifetimes, so that those never alive together share memory.
#pragma once
#include <cstdint>
#include <vector>

namespace dartsmith {

// Alive during the times [first, last], both inclusive.
struct Lifetime {
  int64_t bytes = 0;
  int first = 0;
  int last = 0;
};

struct Placement {
  std::vector<int64_t> offsets;  // one a lifetime, multiples of 64
  int64_t total_bytes = 0;
};

// Greedy by size: the largest first, each at the lowest offset free during its whole life
// (Pisarchyk and Lee, "Efficient memory management for deep neural net inference", arXiv:2001.03288).
Placement place_buffers(const std::vector<Lifetime>& lifetimes);

}  // namespace dartsmith
