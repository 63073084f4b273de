#include "engine/ops/descriptor.h"

namespace dartsmith {
namespace {

Shape shape(const NodeCheck& check) {
  check.expect_input();
  Shape out = check.input();
  for (size_t i = 1; i < check.inputs(); ++i) {
    if (check.input(i).height != out.height || check.input(i).width != out.width) {
      check.fail("expected inputs of one height and width");
    }
    out.channels += check.input(i).channels;
  }
  return out;
}

}  // namespace

constinit const OpDescriptor concat_op = {
    .name = "concat",
    .shape = shape,
};

}  // namespace dartsmith
