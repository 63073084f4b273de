// A graph planned for one kind of pass: which kernels run in which order and where every buffer lies in one arena.
#pragma once
#include <cstdint>
#include <vector>

#include "engine/backend.h"
#include "engine/graph.h"

namespace dartsmith {

enum class PassKind { kEvaluate, kWeights, kAlpha, kBoth, kVjp };
inline constexpr int kPassKindCount = 5;

// A branch whose mixing weight decides whether a node runs at all.
struct Guard {
  int mixed;
  int branch;
};

struct PlannedNode {
  int canonical = 0;               // the node that computes the same value; itself mostly
  bool live = false;               // canonical, and the output depends on it
  bool has_gradient = false;       // a wanted gradient flows through its output
  std::vector<Guard> guards;       // runs when any of them has a non-zero weight; always when there are none
  int value = -1;                  // buffers of the plan, -1 for none
  int gradient = -1;
  int saved = -1;
  bool gradient_from_add = false;  // its gradient is the gradient of the add that is its only consumer
};

struct Step {
  int node;
  bool backward;
  int workspace = -1;
};

struct Plan {
  PassKind kind = PassKind::kEvaluate;
  bool wants_weights = false;
  bool wants_alpha = false;
  bool wants_inputs = false;
  std::vector<PlannedNode> nodes;
  std::vector<Step> steps;
  std::vector<int64_t> offsets;  // of each buffer, in bytes
  int64_t arena_bytes = 0;
};

// `saved` floats that a node's forward leaves for its backward.
int64_t saved_elements(const Node& node, const Graph& graph, int64_t batch);

Plan make_plan(const Graph& graph, int64_t batch, PassKind kind, const Backend& backend);

}  // namespace dartsmith
