// Makes the graph that is run: equal nodes merged, dead ones dropped, and runs of nodes taken whole by fused kernels.
#pragma once
#include "engine/backend.h"
#include "engine/lowered.h"

namespace dartsmith {

// With `fuse`, batch-norms move into their consumers where those can normalise, relu-depthwise-pointwise-batch-norm
// chains become one separable node (side by side where they read the same input), poolings that only combine nodes read
// are not stored, and the mixed operations that a node sums become one combine node, which drops samples of its
// terms itself where the backend's can.
Lowered lower(const Graph& graph, bool fuse, const Backend& backend);

}  // namespace dartsmith
