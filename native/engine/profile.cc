#include "engine/profile.h"

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
      return pixels * node.shape.channels * node.window.kernel[0] * node.window.kernel[1] / 2;
    default:
      return input.elements() / 2;
  }
}

bool has_weight_gradient(Op op) {
  return op == Op::kConv2d || op == Op::kLinear || op == Op::kSeparable;
}

KernelProfile count_node(const Plan& plan, int id, bool backward, int64_t batch) {
  const LoweredNode& lowered = plan.graph.nodes[id];
  const Node& node = lowered.node;
  const int64_t tensor = batch * static_cast<int64_t>(sizeof(float));
  const Shape none{0, 0, 0};
  const Shape& first = lowered.inputs.empty() ? none : plan.graph.nodes[lowered.inputs[0].id].node.shape;
  KernelProfile profile{node.op, backward, 0, 0, tensor * node.shape.elements()};
  int64_t passes = backward ? 0 : 1;
  for (const LoweredInput& input : lowered.inputs) {
    const int64_t bytes = tensor * plan.graph.nodes[input.id].node.shape.elements();
    profile.bytes += bytes;
    if (node.op == Op::kCombine) profile.flops += 2 * bytes / static_cast<int64_t>(sizeof(float));
    const bool gradient = backward && plan.nodes[input.id].has_gradient;
    // The gradient of a normalised input is a map, not a tensor, unless the kernel makes the tensor itself.
    if (gradient && !(node.op == Op::kCombine && input.normalised)) profile.bytes += bytes;
    if (gradient) ++passes;
  }
  if (node.op == Op::kCombine) return profile;
  if (backward && (node.op == Op::kSeparable || borrows_value(node.op)))
    profile.bytes += tensor * node.shape.elements();
  if (backward && plan.wants_weights && has_weight_gradient(node.op)) ++passes;
  profile.flops = 2 * passes * batch * macs(node, first);
  return profile;
}

}  // namespace

KernelProfile count_work(const Plan& plan, const std::vector<int>& ids, bool backward, int64_t batch) {
  KernelProfile total = count_node(plan, ids.front(), backward, batch);
  for (size_t i = 1; i < ids.size(); ++i) {
    const KernelProfile other = count_node(plan, ids[i], backward, batch);
    total.flops += other.flops;
    total.bytes += other.bytes;
  }
  return total;
}

}  // namespace dartsmith
