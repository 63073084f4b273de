#include "engine/ops/descriptor.h"

namespace dartsmith {
namespace {

Attributes read(AttributeReader& reader) {
  const int count = reader.integer("count");
  return SoftmaxScaleAttributes{count, reader.integer("index")};
}

Shape shape(const NodeCheck& check) {
  check.expect_inputs(1);
  const auto& [count, index] = check.node().own<SoftmaxScaleAttributes>();
  if (count < 1 || index < 0 || index >= count) check.fail("expected an entry of ", count, " but got ", index);
  check.expect_weight("weight", check.node().weight, count);
  return check.input();
}

}  // namespace

constinit const OpDescriptor softmax_scale_op = {
    .name = "softmaxScale",
    .read = read,
    .shape = shape,
    .overwrites_input = [](const Node&) { return true; },
    .backward_reads_input = [](const Node&, const LoweredInput&,
                               const WantedGradients& wanted) { return wanted.weights; },
    .input_gradient = [](const LoweredInput&) { return InputGradient::kInPlace; },
    .work =
        [](const WorkSizes& sizes) {
          const int64_t passes = sizes.backward ? sizes.input_gradients + (sizes.wants_weights ? 2 : 0) : 1;
          return Work{passes * sizes.input.elements(), 0};
        },
};

}  // namespace dartsmith
