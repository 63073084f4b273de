#include "engine/ops/pool.h"

namespace dartsmith {

constinit const OpDescriptor pooled_moments_op = {
    .name = "pooledMoments",
    .borrows_value = true,
    // It applies the gradient map of its output, which reads the output.
    .backward_reads_output = [](const Node&) { return true; },
    .saved_elements = saved_statistics,
    .norm = [](const Node& node) { return &node.own<PooledMomentsAttributes>().norm; },
    .joins =
        [](const LoweredNode& a, const LoweredNode& b) {
          return same_plain_input(a, b) &&
                 a.node.own<PooledMomentsAttributes>().pool == b.node.own<PooledMomentsAttributes>().pool;
        },
    // Nodes that measure one pooling do so together.
    .work =
        [](const WorkSizes& sizes) {
          return sizes.joining ? Work{} : pooling_work(sizes, sizes.node.own<PooledMomentsAttributes>().pool);
        },
};

}  // namespace dartsmith
