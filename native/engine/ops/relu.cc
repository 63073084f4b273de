#include "engine/ops/descriptor.h"

namespace dartsmith {

constinit const OpDescriptor relu_op = {
    .name = "relu",
    .shape =
        [](const NodeCheck& check) {
          check.expect_inputs(1);
          return check.input();
        },
    .computed_once = true,
    .overwrites_input = [](const Node&) { return true; },
    .backward_reads_output = [](const Node&) { return true; },
    .input_gradient = [](const LoweredInput&) { return InputGradient::kInPlace; },
};

}  // namespace dartsmith
