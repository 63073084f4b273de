#include "engine/profile.h"

#include <set>
#include <utility>

namespace dartsmith {
namespace {

// Multiply-accumulates of one image's forward pass.
int64_t macs(const Node& node, const Shape& input) {
  const int64_t pixels = node.shape.height * node.shape.width;
  switch (node.op) {
    case Op::kConv2d:
    case Op::kLinear:
      return pixels * node.weight.size;
    case Op::kSeparable:  // depthwise, then pointwise
      return pixels * (node.weight.size + node.bias.size);
    case Op::kMaxPool:
    case Op::kAvgPool:
    case Op::kPooledMoments:
      return pixels * node.shape.channels * node.window.kernel[0] * node.window.kernel[1] / 2;
    default:
      return input.elements() / 2;
  }
}

// Those of products of matrices.
int64_t product_macs(const Node& node) {
  const int64_t pixels = node.shape.height * node.shape.width;
  if (node.op == Op::kSeparable) return pixels * node.bias.size;
  const bool dense = node.op == Op::kLinear || (node.op == Op::kConv2d && node.groups == 1);
  return dense ? pixels * node.weight.size : 0;
}

bool has_weight_gradient(Op op) {
  return op == Op::kConv2d || op == Op::kLinear || op == Op::kSeparable;
}

// `joining` is a node whose step has loaded its input already.
// `gradients` holds the buffers that the step has counted: the terms of a sum share theirs.
KernelProfile count_node(const Plan& plan, int id, bool backward, int64_t batch, bool joining,
                         std::set<int>& gradients) {
  const LoweredNode& lowered = plan.graph.nodes[id];
  const Node& node = lowered.node;
  const int64_t gradient_bytes = batch * plan.gradient_bytes(id);
  const int64_t value_bytes = batch * plan.value_bytes(id);
  const Shape none{0, 0, 0};
  const Shape& first = lowered.inputs.empty() ? none : plan.graph.nodes[lowered.inputs[0].id].node.shape;
  KernelProfile profile{.op = node.op, .backward = backward};
  if (backward) {
    profile.bytes = gradients.insert(plan.nodes[id].gradient).second ? gradient_bytes : 0;
  } else {
    profile.bytes = borrows_value(node.op) ? 0 : value_bytes;
  }
  int64_t passes = backward ? 0 : 1;
  std::set<int> values;  // buffers that were counted
  for (const LoweredInput& input : lowered.inputs) {
    const int64_t elements = batch * plan.graph.nodes[input.id].node.shape.elements();
    if (node.op == Op::kCombine) profile.flops += 2 * elements;
    const bool gradient = backward && plan.nodes[input.id].has_gradient;
    if (gradient) ++passes;
    if (joining) continue;
    // The skip and both poolings of an edge read one tensor.
    if (values.insert(plan.nodes[input.id].value).second) profile.bytes += batch * plan.value_bytes(input.id);
    // The gradient of a normalised input is a map, not a tensor, unless the kernel makes the tensor itself.
    if (gradient && !(node.op == Op::kCombine && input.normalised)) {
      profile.bytes += batch * plan.gradient_bytes(input.id);
    }
  }
  if (node.op == Op::kCombine) return profile;
  if (backward && node.op == Op::kSeparable) profile.bytes += value_bytes;
  if (backward && plan.wants_weights && has_weight_gradient(node.op)) ++passes;
  // The members of a group measure one pooling together.
  if (joining && node.op == Op::kPooledMoments) return profile;
  profile.flops = 2 * passes * batch * macs(node, first);
  profile.product_flops = 2 * passes * batch * product_macs(node);
  return profile;
}

}  // namespace

KernelProfile count_work(const Plan& plan, const std::vector<int>& ids, bool backward, int64_t batch) {
  std::set<int> gradients;
  KernelProfile total = count_node(plan, ids.front(), backward, batch, false, gradients);
  std::set<std::pair<int, Op>> loaded;  // what a pooling measures counts once a pooling
  for (size_t i = 0; i < ids.size(); ++i) {
    const LoweredNode& lowered = plan.graph.nodes[ids[i]];
    const bool joining = !lowered.inputs.empty() && !loaded.insert({lowered.inputs[0].id, lowered.node.pool}).second;
    if (i == 0) continue;
    total += count_node(plan, ids[i], backward, batch, joining, gradients);
  }
  return total;
}

}  // namespace dartsmith
