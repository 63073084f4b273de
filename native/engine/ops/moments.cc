#include "engine/ops/descriptor.h"

namespace dartsmith {

constinit const OpDescriptor moments_op = {
    .name = "moments",
    .borrows_value = true,
    // It applies the gradient map of its output, which reads the output.
    .backward_reads_output = [](const Node&) { return true; },
    .saved_elements = saved_statistics,
    .norm = [](const Node& node) { return &node.own<BatchNormAttributes>(); },
};

}  // namespace dartsmith
