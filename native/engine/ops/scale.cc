#include <cmath>

#include "engine/ops/descriptor.h"

namespace dartsmith {
namespace {

Shape shape(const NodeCheck& check) {
  check.expect_inputs(1);
  if (!std::isfinite(check.node().own<ScaleAttributes>().factor)) check.fail("expected a finite factor");
  return check.input();
}

}  // namespace

constinit const OpDescriptor scale_op = {
    .name = "scale",
    .read = [](AttributeReader& reader) -> Attributes { return ScaleAttributes{reader.single("factor")}; },
    .shape = shape,
    .overwrites_input = [](const Node&) { return true; },
    .input_gradient = [](const LoweredInput&) { return InputGradient::kInPlace; },
};

}  // namespace dartsmith
