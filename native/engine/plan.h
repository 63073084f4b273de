// A graph planned for one kind of pass: which kernels run in which order and where every buffer lies in one arena.
#pragma once
#include <cstdint>
#include <vector>

#include "engine/backend.h"
#include "engine/lower.h"
#include "engine/memory.h"

namespace dartsmith {

enum class PassKind { kEvaluate, kWeights, kAlpha, kBoth, kVjp };
inline constexpr int kPassKindCount = 5;

// What a lowered node owns; buffers are indices into Plan::offsets, -1 for none.
struct PlannedNode {
  bool has_gradient = false;  // a wanted gradient flows through its output
  int value = -1;
  int gradient = -1;
  int gradient_map = -1;  // where its consumer normalises it: see InputLink
  int saved = -1;
  bool shares_gradient = false;  // `gradient` is that of its only consumer: a sum, or a combine that normalises it
};

// One node of a step.
struct StepNode {
  int id;
  int workspace = -1;
};

// One thing to run: a node, or nodes of one input that a kernel takes at once (see same_group).
struct Step {
  std::vector<StepNode> nodes;
  bool backward;
};

class Plan {
 public:
  PassKind kind = PassKind::kEvaluate;
  Precision precision = Precision::kFp32;
  bool halves_images = false;  // see Backend
  bool wants_weights = false;
  bool wants_alpha = false;
  bool wants_inputs = false;
  Lowered graph;
  std::vector<PlannedNode> nodes;
  std::vector<Step> steps;
  std::vector<int64_t> offsets;     // of each buffer, in bytes
  std::vector<Lifetime> lifetimes;  // of each buffer, by steps; the zone behind it included
  int64_t arena_bytes = 0;

  // How a node's value is stored.
  Precision precision_of(int id) const {
    const LoweredNode& lowered = graph.nodes[id];
    if (borrows_value(lowered.node.op)) return precision_of(lowered.inputs[0].id);
    if (halves_images) return image_precision(lowered.node);
    return lowered.node.op == Op::kSeparable ? precision : Precision::kFp32;
  }
  Precision gradient_precision_of(int id) const {
    return halves_images ? image_precision(graph.nodes[id].node) : Precision::kFp32;
  }
  // Of one sample.
  int64_t value_bytes(int id) const { return graph.nodes[id].node.shape.elements() * element_bytes(precision_of(id)); }
  int64_t gradient_bytes(int id) const {
    return graph.nodes[id].node.shape.elements() * element_bytes(gradient_precision_of(id));
  }

 private:
  Precision image_precision(const Node& node) const {
    return node.op != Op::kInput && node.shape.height * node.shape.width > 1 ? precision : Precision::kFp32;
  }
};

Plan make_plan(Lowered graph, int64_t batch, PassKind kind, Precision precision, const Backend& backend);

}  // namespace dartsmith
