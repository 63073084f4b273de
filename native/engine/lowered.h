// A graph as it is run.
#pragma once
#include <cstdint>
#include <vector>

#include "engine/graph.h"

namespace dartsmith {

// An input of a lowered node. A normalised input is a lazy batch-norm, one that nobody materialises: the
// consumer reads the tensor that would be normalised and applies its statistics while loading.
struct LoweredInput {
  int id = 0;
  bool normalised = false;
  int64_t mixing = -1;     // combine: place of its mixing weight in the alpha arena
  int dropout = -1;        // combine: node of the original graph that drops samples of it, on the way in
  bool activated = false;  // conv2d: read through a relu
  bool always = false;     // combine: computed also where its mixing weight is given as 0
};

struct LoweredNode {
  Node node;  // its `inputs` and branches are those of the original graph
  std::vector<LoweredInput> inputs;
  int after = -1;  // the node before it that moves the same running statistics, which it moves next; -1 for none
};

struct Lowered {
  std::vector<LoweredNode> nodes;
  std::vector<int> of_original;  // lowered node with the same value, -1 for nodes fused away or dead
  int output = 0;
};

}  // namespace dartsmith
