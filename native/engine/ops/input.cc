#include "engine/ops/descriptor.h"

namespace dartsmith {

constinit const OpDescriptor input_op = {
    .name = "input",
    .read = [](AttributeReader& reader) -> Attributes {
      const std::string name = reader.text("name");
      return InputAttributes{name, reader.integer("below")};
    },
    .shape =
        [](const NodeCheck& check) {
          check.expect_inputs(0);
          const int below = check.node().own<InputAttributes>().below;
          if (below < 0) check.fail("expected integers below a positive number but got ", below);
          if (below > 0 && check.node().shape.elements() != 1) check.fail("expected one integer a sample");
          return check.node().shape;
        },
};

}  // namespace dartsmith
