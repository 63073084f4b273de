#include "engine/ops/descriptor.h"
#include "engine/ops/mask.h"

namespace dartsmith {
namespace {

Shape shape(const NodeCheck& check) {
  check.expect_inputs(1);
  const auto& [count, mask] = check.node().own<EmbeddingAttributes>();
  if (check.integers() > count) check.fail("expected integers below ", count, " but got ", check.integers());
  const int64_t channels = check.node().shape.channels;
  check.expect_weight("weight", check.node().weight, check.product(count, channels));
  expect_mask(check, mask);
  return {1, 1, channels};
}

}  // namespace

constinit const OpDescriptor embedding_op = {
    .name = "embedding",
    .read = [](AttributeReader& reader) -> Attributes {
      const int count = reader.integer("count");
      return EmbeddingAttributes{count, read_mask(reader)};
    },
    .shape = shape,
    .backward_reads_input = [](const Node&, const LoweredInput&,
                               const WantedGradients& wanted) { return wanted.weights; },
    .masks =
        [](const Node& node) {
          const auto& [count, mask] = node.own<EmbeddingAttributes>();
          return MaskPlans{MaskPlan{mask, count, 0}};
        },
    .work =
        [](const WorkSizes& sizes) {
          return Work{sizes.node.shape.channels, 0};
        },
};

}  // namespace dartsmith
