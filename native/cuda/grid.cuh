// The barrier of a cooperative launch. In a header of its own, since what it includes takes longer to compile than most
// kernels.
#pragma once
#include <cooperative_groups.h>

#include "cuda/task.cuh"

namespace dartsmith::cuda {

// Everything that any block wrote before is seen by all after.
__device__ inline void wait_for_grid() {
  cooperative_groups::this_grid().sync();
}

}  // namespace dartsmith::cuda
