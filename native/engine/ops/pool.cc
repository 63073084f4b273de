#include "engine/ops/pool.h"

namespace dartsmith {

Shape pooled_shape(const NodeCheck& check) {
  check.expect_inputs(1);
  const Window& window = check.node().own<PoolAttributes>().window;
  const Shape out = check.windowed(window, check.input().channels);
  for (int axis : {0, 1}) {
    if (2 * window.padding[axis] > window.kernel[axis]) {
      check.fail("expected padding of at most half the kernel");
    }
  }
  if (window.kernel[0] * window.kernel[1] > 64) check.fail("expected a window of at most 64");
  return out;
}

Work pooling_work(const WorkSizes& sizes, const PoolAttributes& pool) {
  const int64_t taps = int64_t{pool.window.kernel[0]} * pool.window.kernel[1];
  return OpDescriptor::passes(sizes, sizes.node.shape.elements() * taps / 2, 0, false);
}

constinit const OpDescriptor max_pool_op = {
    .name = "maxPool",
    .read = [](AttributeReader& reader) -> Attributes {
      return PoolAttributes{.window = reader.window(), .takes_max = true};
    },
    .shape = pooled_shape,
    .computed_once = true,
    .backward_reads_input = [](const Node&, const LoweredInput&, const WantedGradients&) { return true; },
    .work = [](const WorkSizes& sizes) { return pooling_work(sizes, sizes.node.own<PoolAttributes>()); },
};

constinit const OpDescriptor avg_pool_op = {
    .name = "avgPool",
    .read = [](AttributeReader& reader) -> Attributes {
      const Window window = reader.window();
      return PoolAttributes{.window = window, .count_include_pad = reader.flag("countIncludePad")};
    },
    .shape = pooled_shape,
    .computed_once = true,
    .work = [](const WorkSizes& sizes) { return pooling_work(sizes, sizes.node.own<PoolAttributes>()); },
};

}  // namespace dartsmith
