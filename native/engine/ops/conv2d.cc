#include "engine/ops/descriptor.h"

namespace dartsmith {
namespace {

Attributes read(AttributeReader& reader) {
  Conv2dAttributes conv{.window = reader.window()};
  reader.pair("dilation", conv.window.dilation);
  conv.groups = reader.integer("groups");
  return conv;
}

Shape shape(const NodeCheck& check) {
  check.expect_inputs(1);
  const auto& [window, groups] = check.node().own<Conv2dAttributes>();
  const int64_t inputs = check.input().channels, outputs = check.node().shape.channels;
  if (groups < 1 || inputs % groups != 0 || outputs % groups != 0) {
    check.fail("expected groups to divide ", inputs, " and ", outputs, " but got ", groups);
  }
  const Shape out = check.windowed(window, outputs);
  const int64_t taps = int64_t{window.kernel[0]} * window.kernel[1];
  check.expect_weight("weight", check.node().weight, check.product(taps * (inputs / groups), outputs));
  return out;
}

}  // namespace

constinit const OpDescriptor conv2d_op = {
    .name = "conv2d",
    .read = read,
    .shape = shape,
    .backward_reads_input = [](const Node&, const LoweredInput& input,
                               const WantedGradients& wanted) { return wanted.weights || input.activated; },
    .work =
        [](const WorkSizes& sizes) {
          const int64_t macs = sizes.node.shape.height * sizes.node.shape.width * sizes.node.weight.size;
          const bool dense = sizes.node.own<Conv2dAttributes>().groups == 1;
          WorkSizes joined = sizes;  // the gradients of parts of a concatenation are one pass
          joined.input_gradients = sizes.input_gradients > 0 ? 1 : 0;
          return OpDescriptor::passes(joined, macs, dense ? macs : 0, true);
        },
};

}  // namespace dartsmith
