#include "engine/ops/descriptor.h"

namespace dartsmith {
namespace {

Attributes read(AttributeReader& reader) {
  DropoutAttributes dropout;
  dropout.rate = reader.single("rate");
  dropout.whole_samples = reader.flag("drops");
  dropout.number = reader.integer("number");
  return dropout;
}

Shape shape(const NodeCheck& check) {
  check.expect_inputs(1);
  const auto& dropout = check.node().own<DropoutAttributes>();
  if (!(dropout.rate >= 0 && dropout.rate < 1)) check.fail("expected a rate from 0 to below 1");
  if (dropout.number < 0 || dropout.number >= 1 << 24) check.fail("expected a number below 2^24");
  return check.input();
}

}  // namespace

constinit const OpDescriptor dropout_op = {
    .name = "dropout",
    .read = read,
    .shape = shape,
};

}  // namespace dartsmith
