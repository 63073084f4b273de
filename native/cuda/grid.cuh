// The barrier of a cooperative launch.
#pragma once
// Spares what a barrier does not need, two seconds a file.
#define _CG_LIMIT_INCLUDED_DEPENDENCIES
#include <cooperative_groups.h>

#include "cuda/task.cuh"

namespace dartsmith::cuda {

// Everything that any block wrote before is seen by all after.
__device__ inline void wait_for_grid() {
  cooperative_groups::this_grid().sync();
}

}  // namespace dartsmith::cuda
