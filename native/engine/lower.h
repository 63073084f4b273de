// A graph as it is run: equal nodes merged, dead ones dropped, and runs of nodes taken whole by fused kernels.
#pragma once
#include <cstdint>
#include <vector>

#include "engine/backend.h"
#include "engine/graph.h"

namespace dartsmith {

// An input of a lowered node. A normalised input is a lazy batch-norm, one that nobody materialises: the
// consumer reads the tensor that would be normalised and applies its statistics while loading.
struct LoweredInput {
  int id = 0;
  bool normalised = false;
  int64_t mixing = -1;  // combine: place of its mixing weight in the alpha arena
  int dropout = -1;     // combine: node of the original graph that drops samples of it, on the way in
};

struct LoweredNode {
  Node node;  // its `inputs` and `branches` are those of the original graph
  std::vector<LoweredInput> inputs;
};

struct Lowered {
  std::vector<LoweredNode> nodes;
  std::vector<int> of_original;  // lowered node with the same value, -1 for nodes fused away or dead
  int output = 0;
};

// Whether one kernel call may take both nodes: separables of one plain input, or moments of one pooling of it.
bool same_group(const LoweredNode& a, const LoweredNode& b);

// With `fuse`, batch-norms move into their consumers where those can normalise, relu-depthwise-pointwise-batch-norm
// chains become one separable node (side by side where they read the same input), poolings that only combine nodes read
// are not stored, and the mixed operations that a node sums become one combine node (DESIGN section 5), which drops
// samples of its terms itself where the backend's can.
Lowered lower(const Graph& graph, bool fuse, const Backend& backend);

}  // namespace dartsmith
