#include "engine/ops/descriptor.h"

namespace dartsmith {
namespace {

Shape shape(const NodeCheck& check) {
  check.expect_inputs(1);
  const auto& [top, left] = check.node().own<CropAttributes>();
  if (top < 0 || left < 0) check.fail("expected offsets from 0");
  const Shape& in = check.input();
  return {in.height - top, in.width - left, in.channels};
}

}  // namespace

constinit const OpDescriptor crop_op = {
    .name = "crop",
    .read = [](AttributeReader& reader) -> Attributes {
      const int top = reader.integer("top");
      return CropAttributes{top, reader.integer("left")};
    },
    .shape = shape,
    .computed_once = true,
};

}  // namespace dartsmith
