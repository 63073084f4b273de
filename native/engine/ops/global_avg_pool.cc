#include "engine/ops/descriptor.h"

namespace dartsmith {

constinit const OpDescriptor global_avg_pool_op = {
    .name = "globalAvgPool",
    .shape =
        [](const NodeCheck& check) {
          check.expect_inputs(1);
          return Shape{1, 1, check.input().channels};
        },
};

}  // namespace dartsmith
