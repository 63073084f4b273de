#include "engine/ops/descriptor.h"

namespace dartsmith {

constinit const OpDescriptor separable_op = {
    .name = "separable",
    .recomputable = true,
    .stores_rounded = true,
    .backward_reads_input = [](const Node&, const LoweredInput&, const WantedGradients&) { return true; },
    // It applies the gradient map of its output, which reads the output.
    .backward_reads_output = [](const Node&) { return true; },
    .saved_elements = saved_statistics,
    .norm = [](const Node& node) { return &node.own<SeparableAttributes>().norm; },
    .joins = same_plain_input,
    .work =
        [](const WorkSizes& sizes) {
          const int64_t pixels = sizes.node.shape.height * sizes.node.shape.width;
          const int64_t depthwise = pixels * sizes.node.weight.size, pointwise = pixels * sizes.node.bias.size;
          return OpDescriptor::passes(sizes, depthwise + pointwise, pointwise, true);
        },
    .backward_loads_both = true,
};

}  // namespace dartsmith
