#include "engine/ops/descriptor.h"

namespace dartsmith {

namespace {

#define DARTSMITH_ENTRY(op, name) &name##_op,
constexpr const OpDescriptor* kDescriptors[] = {DARTSMITH_OPS(DARTSMITH_ENTRY, DARTSMITH_ENTRY)};
#undef DARTSMITH_ENTRY

}  // namespace

const OpDescriptor& descriptor_of(Op op) {
  return *kDescriptors[static_cast<int>(op)];
}

const char* op_name(Op op) {
  return descriptor_of(op).name;
}

Op op_from_name(const std::string& name) {
  for (int i = 0; i < kOpCount; ++i) {
    const Op op = static_cast<Op>(i);
    if (descriptor_of(op).shape != nullptr && name == op_name(op)) return op;
  }
  fail("graph", "expected a known op but got '", name, "'");
}

Work OpDescriptor::passes(const WorkSizes& sizes, int64_t macs, int64_t products, bool weights) {
  const int64_t passes = !sizes.backward ? 1 : sizes.input_gradients + (weights && sizes.wants_weights ? 1 : 0);
  return {2 * passes * macs, 2 * passes * products};
}

Work OpDescriptor::passes_over_input(const WorkSizes& sizes) {
  return passes(sizes, sizes.input.elements() / 2, 0, false);
}

int64_t saved_statistics(const SavedSizes& sizes) {
  return 2 * sizes.node.shape.channels;
}

bool same_plain_input(const LoweredNode& a, const LoweredNode& b) {
  return !a.inputs[0].normalised && !b.inputs[0].normalised && a.inputs[0].id == b.inputs[0].id;
}

int measured_pooling(const Node& node) {
  const auto* measured = std::get_if<PooledMomentsAttributes>(&node.attributes);
  if (measured == nullptr) return 0;
  return measured->pool.takes_max ? 1 : 2;
}

std::vector<MaskPlan> masks_of(const Node& node) {
  std::vector<MaskPlan> masks;
  for (const MaskPlan& mask : descriptor_of(node.op).masks(node)) {
    if (mask.attributes.rate > 0) masks.push_back(mask);
  }
  return masks;
}

}  // namespace dartsmith
