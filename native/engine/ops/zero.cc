#include "engine/ops/descriptor.h"

namespace dartsmith {

constinit const OpDescriptor zero_op = {
    .name = "zero",
    .shape =
        [](const NodeCheck& check) {
          check.expect_inputs(0);
          return check.node().shape;
        },
};

}  // namespace dartsmith
