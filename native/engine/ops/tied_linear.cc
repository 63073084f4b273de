// tiedLinear, and with the cross-entropy behind it what lowering makes of both.
#include "engine/ops/descriptor.h"
#include "engine/ops/mask.h"

namespace dartsmith {
namespace {

bool reads_input(const Node&, const LoweredInput&, const WantedGradients&) {
  return true;
}

}  // namespace

constinit const OpDescriptor tied_linear_op = {
    .name = "tiedLinear",
    .shape =
        [](const NodeCheck& check) {
          expect_vector(check);
          const int64_t outputs = check.node().shape.channels;
          check.expect_weight("weight", check.node().weight, check.product(check.input().channels, outputs));
          check.expect_weight("bias", check.node().bias, outputs);
          return Shape{1, 1, outputs};
        },
    .backward_reads_input = [](const Node&, const LoweredInput&,
                               const WantedGradients& wanted) { return wanted.weights; },
    .work =
        [](const WorkSizes& sizes) {
          return OpDescriptor::passes(sizes, sizes.node.weight.size, sizes.node.weight.size, true);
        },
};

constinit const OpDescriptor tied_cross_entropy_op = {
    .name = "tiedCrossEntropy",
    .is_loss = true,
    .reads_labels = true,
    .backward_does_both = true,
    .backward_reads_input = reads_input,
    .work =
        [](const WorkSizes& sizes) {
          const Work gradients = OpDescriptor::passes(sizes, sizes.node.weight.size, sizes.node.weight.size, true);
          if (!sizes.backward) return gradients;
          const int64_t forward = 2 * sizes.node.weight.size;  // which it does as well
          return Work{gradients.flops + forward, gradients.product_flops + forward};
        },
};

}  // namespace dartsmith
