// The barrier over a cooperative grid.
#pragma once
#include <cuda_runtime.h>

namespace cooperative_groups {

struct grid_group {
  void sync() const { ::dartsmith::simt::grid_barrier(); }
};
inline grid_group this_grid() {
  return {};
}

}  // namespace cooperative_groups
