#include "engine/profile.h"

#include <optional>
#include <set>
#include <utility>

namespace dartsmith {
namespace {

// What a step has counted already of what one of its nodes does.
struct Shared {
  bool input = false;  // loading it, and leaving its gradient
  bool work = false;
};

// `gradients` holds the buffers that the step has counted: the terms of a sum share theirs.
KernelProfile count_node(const Plan& plan, int id, bool backward, int64_t batch, Shared shared,
                         std::set<int>& gradients) {
  const LoweredNode& lowered = plan.graph.nodes[id];
  const Node& node = lowered.node;
  const int64_t gradient_bytes = batch * plan.gradient_bytes(id);
  const int64_t value_bytes = batch * plan.value_bytes(id);
  const Shape none{0, 0, 0};
  const Shape& first = lowered.inputs.empty() ? none : plan.graph.nodes[lowered.inputs[0].id].node.shape;
  const OpDescriptor& descriptor = descriptor_of(node.op);
  KernelProfile profile{.op = node.op, .backward = backward};
  if (backward) {
    profile.bytes = gradients.insert(plan.nodes[id].gradient).second ? gradient_bytes : 0;
  } else {
    profile.bytes = descriptor.borrows_value ? 0 : value_bytes;
  }
  int64_t input_elements = 0, input_gradients = 0;
  std::set<int> values;  // buffers that were counted
  for (const LoweredInput& input : lowered.inputs) {
    input_elements += plan.graph.nodes[input.id].node.shape.elements();
    const bool gradient = backward && plan.nodes[input.id].has_gradient;
    if (gradient) ++input_gradients;
    if (shared.input) continue;
    // The skip and both poolings of an edge read one tensor.
    if (values.insert(plan.nodes[input.id].value).second) profile.bytes += batch * plan.value_bytes(input.id);
    const bool mapped = descriptor.maps_gradients && input.normalised;
    if (gradient && !mapped) profile.bytes += batch * plan.gradient_bytes(input.id);
  }
  if (backward && descriptor.backward_loads_both) profile.bytes += value_bytes;
  const Work work = descriptor.work({.node = node,
                                     .input = first,
                                     .input_elements = input_elements,
                                     .backward = backward,
                                     .input_gradients = input_gradients,
                                     .wants_weights = plan.wants_weights(node),
                                     .joining = shared.work});
  profile.flops = batch * work.flops;
  profile.product_flops = batch * work.product_flops;
  return profile;
}

}  // namespace

KernelProfile count_work(const Plan& plan, const std::vector<int>& ids, bool backward, int64_t batch) {
  std::set<int> gradients;
  std::set<int> loaded;
  std::set<std::pair<int, int>> measured;  // what a pooling measures counts once a pooling
  std::optional<KernelProfile> total;
  for (int id : ids) {
    const LoweredNode& lowered = plan.graph.nodes[id];
    Shared shared;
    if (lowered.inputs.size() == 1) {
      const int input = lowered.inputs[0].id;
      shared = {!loaded.insert(input).second, !measured.insert({input, measured_pooling(lowered.node)}).second};
    }
    const KernelProfile profile = count_node(plan, id, backward, batch, shared, gradients);
    if (total) {
      *total += profile;
    } else {
      total = profile;
    }
  }
  return *total;
}

}  // namespace dartsmith
