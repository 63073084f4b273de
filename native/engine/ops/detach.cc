#include "engine/ops/descriptor.h"

namespace dartsmith {

constinit const OpDescriptor detach_op = {
    .name = "detach",
    .shape =
        [](const NodeCheck& check) {
          check.expect_inputs(1);
          return check.input();
        },
    .detaches = true,
    .overwrites_input = [](const Node&) { return true; },
};

}  // namespace dartsmith
