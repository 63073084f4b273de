#include "engine/ops/descriptor.h"

namespace dartsmith {
namespace {

Attributes read(AttributeReader& reader) {
  NoiseAttributes noise;
  noise.integers = reader.flag("distribution");
  noise.always = reader.flag("always");
  noise.number = reader.integer("number");
  return noise;
}

Shape shape(const NodeCheck& check) {
  check.expect_inputs(1);
  const int number = check.node().own<NoiseAttributes>().number;
  if (number < 0 || number >= 1 << 24) check.fail("expected a number below 2^24");
  return check.input();
}

}  // namespace

constinit const OpDescriptor noise_op = {
    .name = "noise",
    .read = read,
    .shape = shape,
    .overwrites_input = [](const Node&) { return true; },
    .input_gradient = [](const LoweredInput&) { return InputGradient::kOutputs; },
};

}  // namespace dartsmith
