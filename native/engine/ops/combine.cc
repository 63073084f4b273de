#include "engine/ops/descriptor.h"

namespace dartsmith {

constinit const OpDescriptor combine_op = {
    .name = "combine",
    .backward_reads_input =
        [](const Node&, const LoweredInput& input, const WantedGradients& wanted) {
          return input.normalised || (wanted.alpha && input.mixing >= 0);
        },
    .input_gradient =
        [](const LoweredInput& input) {
          const bool summed = input.mixing < 0 && input.dropout < 0;
          return summed || input.normalised ? InputGradient::kOutputs : InputGradient::kApart;
        },
    .work =
        [](const WorkSizes& sizes) {
          return Work{2 * sizes.input_elements, 0};
        },
    .maps_gradients = true,
};

}  // namespace dartsmith
