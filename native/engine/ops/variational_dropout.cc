#include "engine/ops/descriptor.h"
#include "engine/ops/mask.h"

namespace dartsmith {

constinit const OpDescriptor variational_dropout_op = {
    .name = "variationalDropout",
    .read = [](AttributeReader& reader) -> Attributes { return VariationalDropoutAttributes{read_mask(reader)}; },
    .shape =
        [](const NodeCheck& check) {
          expect_vector(check);
          expect_mask(check, check.node().own<VariationalDropoutAttributes>().mask);
          return check.input();
        },
    .reads_times = true,
    .masks =
        [](const Node& node) {
          return MaskPlans{MaskPlan{node.own<VariationalDropoutAttributes>().mask, 0, node.shape.channels}};
        },
};

}  // namespace dartsmith
