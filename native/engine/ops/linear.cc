#include "engine/ops/descriptor.h"

namespace dartsmith {
namespace {

Shape shape(const NodeCheck& check) {
  check.expect_inputs(1);
  const Shape& in = check.input();
  const int64_t outputs = check.node().shape.channels;
  if (in.height * in.width != 1) check.fail("expected a vector but got ", in.height, "x", in.width, " pixels");
  check.expect_weight("weight", check.node().weight, check.product(in.channels, outputs));
  check.expect_weight("bias", check.node().bias, outputs);
  return {1, 1, outputs};
}

}  // namespace

constinit const OpDescriptor linear_op = {
    .name = "linear",
    // To kernels a convolution of an image of one pixel.
    .read = [](AttributeReader&) -> Attributes { return Conv2dAttributes{}; },
    .shape = shape,
    .backward_reads_input = [](const Node&, const LoweredInput&,
                               const WantedGradients& wanted) { return wanted.weights; },
    .work =
        [](const WorkSizes& sizes) {
          return OpDescriptor::passes(sizes, sizes.node.weight.size, sizes.node.weight.size, true);
        },
};

}  // namespace dartsmith
