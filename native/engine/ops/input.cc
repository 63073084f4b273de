#include "engine/ops/descriptor.h"

namespace dartsmith {

constinit const OpDescriptor input_op = {
    .name = "input",
    .read = [](AttributeReader& reader) -> Attributes { return InputAttributes{reader.text("name")}; },
    .shape =
        [](const NodeCheck& check) {
          check.expect_inputs(0);
          return check.node().shape;
        },
};

}  // namespace dartsmith
