#include "engine/ops/descriptor.h"

namespace dartsmith {
namespace {

Shape shape(const NodeCheck& check) {
  check.expect_inputs(1);
  const Node& node = check.node();
  const int64_t channels = check.input().channels;
  check.expect_buffer("running mean", node.running_mean, channels);
  check.expect_buffer("running variance", node.running_variance, channels);
  if (node.running_mean.offset == node.running_variance.offset) check.fail("expected two running statistics");
  if (bool(node.weight) != bool(node.bias)) check.fail("expected both scale and shift or neither");
  if (node.weight) {
    check.expect_weight("scale", node.weight, channels);
    check.expect_weight("shift", node.bias, channels);
  }
  return check.input();
}

}  // namespace

constinit const OpDescriptor batch_norm_op = {
    .name = "batchNorm",
    .read = [](AttributeReader& reader) -> Attributes {
      const float epsilon = reader.single("epsilon");
      return BatchNormAttributes{epsilon, reader.single("momentum")};
    },
    .shape = shape,
    // Without affine part, backward finds its normalised input in its output.
    .overwrites_input = [](const Node& node) { return !node.weight; },
    .backward_reads_input = [](const Node& node, const LoweredInput&,
                               const WantedGradients&) { return static_cast<bool>(node.weight); },
    .backward_reads_output = [](const Node& node) { return !node.weight; },
    .input_gradient = [](const LoweredInput&) { return InputGradient::kInPlace; },
    .saved_elements = saved_statistics,
    .norm = [](const Node& node) { return &node.own<BatchNormAttributes>(); },
};

}  // namespace dartsmith
