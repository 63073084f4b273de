#include "engine/ops/descriptor.h"

namespace dartsmith {
namespace {

Shape shape(const NodeCheck& check) {
  check.expect_input();
  for (size_t i = 1; i < check.inputs(); ++i) {
    if (!(check.input(i) == check.input())) check.fail("expected inputs of one shape");
  }
  return check.input();
}

}  // namespace

constinit const OpDescriptor add_op = {
    .name = "add",
    .shape = shape,
    .input_gradient = [](const LoweredInput&) { return InputGradient::kOutputs; },
};

}  // namespace dartsmith
