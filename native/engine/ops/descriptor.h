// What the engine knows of an op: one descriptor each, in a file of its own, found by descriptor_of(). What a field
// leaves out is what holds for most ops.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "engine/lowered.h"
#include "engine/ops/attribute_reader.h"
#include "engine/ops/node_check.h"

namespace dartsmith {

// Which gradients of parameters a pass computes.
struct WantedGradients {
  bool weights = false;
  bool alpha = false;
};

// Where backward leaves the gradient of an input.
enum class InputGradient {
  kApart,    // in a buffer of its own
  kInPlace,  // over the output's gradient, an element of which decides one of the input's
  kOutputs,  // nowhere: it is the output's gradient, or a map of that (InputLink)
};

// What decides how much a node saves.
struct SavedSizes {
  const Node& node;
  const Shape& input;  // the first one
  int64_t inputs;      // how many
  int64_t batch;
  int64_t columns;  // of sequences
};

// A mask that stays the same over the times of a sequence: as many elements as it has fixed ones, and a column's.
struct MaskPlan {
  MaskAttributes attributes;
  int64_t fixed = 0;
  int64_t of_column = 0;
  int64_t elements(int64_t columns) const { return fixed + columns * of_column; }
};
inline constexpr int kMostMasks = 2;
using MaskPlans = std::array<MaskPlan, kMostMasks>;

// What decides how much work a node is.
struct WorkSizes {
  const Node& node;
  const Shape& input;      // the first one; no pixels without
  int64_t input_elements;  // of all inputs of one sample
  bool backward;
  int64_t input_gradients;  // that backward computes
  bool wants_weights;
  bool joining;  // a node of the same step has read the input already
};

// Multiplications and additions for one sample, in gradients only those that were asked for.
struct Work {
  int64_t flops = 0;
  int64_t product_flops = 0;  // of those, by products of matrices
};

struct OpDescriptor {
  // In graphs as src/graph/graph.ts has it, in profiles for those that lowering makes.
  const char* name;

  // Its attributes as a graph brings them.
  Attributes (*read)(AttributeReader& reader) = [](AttributeReader&) -> Attributes { return {}; };
  // Checks a node of a graph (Error for a malformed one) and gives the shape of its value. Null for what only lowering
  // makes, which graphs cannot name.
  Shape (*shape)(const NodeCheck& check) = nullptr;

  // A mean over the batch: only ever the output, whose gradient is 1, or a term of a sum of losses that is. Its value
  // holds the samples' own.
  bool is_loss = false;
  bool sums_losses = false;
  bool reads_labels = false;
  // Its backward computes what its forward would as well: where there is a gradient only that runs.
  bool backward_does_both = false;
  // Looks at more than one time of a sequence.
  bool reads_times = false;
  // Lets no gradient through.
  bool detaches = false;
  // The value follows from inputs and attributes alone: equal nodes are computed once. The candidates of a supernet
  // repeat the same relu and pooling of a state on every edge that leaves it.
  bool computed_once = false;
  // Only measures its input: its value is its input's.
  bool borrows_value = false;
  // Its value may be computed again for backward (Recompute), from inputs that backward reads in any case.
  bool recomputable = false;
  // Keeps its value in the program's precision even where images stay float32 (Backend::halves_images).
  bool stores_rounded = false;
  // Whether forward may write its value over its input, an element of which decides one of the value.
  bool (*overwrites_input)(const Node& node) = [](const Node&) { return false; };

  // What backward reads beside the gradient of the output: the value of an input, and the node's own.
  bool (*backward_reads_input)(const Node& node, const LoweredInput& input, const WantedGradients& wanted) =
      [](const Node&, const LoweredInput&, const WantedGradients&) { return false; };
  bool (*backward_reads_output)(const Node& node) = [](const Node&) { return false; };
  InputGradient (*input_gradient)(const LoweredInput& input) = [](const LoweredInput&) {
    return InputGradient::kApart;
  };
  // Floats that forward leaves for backward and for consumers that normalise the value.
  int64_t (*saved_elements)(const SavedSizes& sizes) = [](const SavedSizes&) { return int64_t{0}; };
  // The masks that it multiplies by; those of rate 0 are none.
  MaskPlans (*masks)(const Node& node) = [](const Node&) { return MaskPlans{}; };
  // The batch-norm that the op computes or measures; null for none.
  const BatchNormAttributes* (*norm)(const Node& node) = [](const Node&) -> const BatchNormAttributes* {
    return nullptr;
  };
  // Whether one kernel call may take both nodes, of this op.
  bool (*joins)(const LoweredNode& a, const LoweredNode& b) = [](const LoweredNode&, const LoweredNode&) {
    return false;
  };

  Work (*work)(const WorkSizes& sizes) = [](const WorkSizes& sizes) { return passes_over_input(sizes); };
  // Counted as bytes: whether backward loads inputs and output, not one of them, and whether it leaves the gradient of
  // a normalised input as a map, not as a tensor.
  bool backward_loads_both = false;
  bool maps_gradients = false;

  // An operation an element and pass; where there are gradients, a pass each.
  static Work passes_over_input(const WorkSizes& sizes);
  // As many multiply-accumulates of a sample a pass, `products` of them of matrices. A gradient of weights is a pass
  // more.
  static Work passes(const WorkSizes& sizes, int64_t macs, int64_t products, bool weights);
};

// Hidden, so that the linker misses what no file defines.
#define DARTSMITH_DECLARED(op, name) [[gnu::visibility("hidden")]] extern const OpDescriptor name##_op;
DARTSMITH_OPS(DARTSMITH_DECLARED, DARTSMITH_DECLARED)
#undef DARTSMITH_DECLARED

const OpDescriptor& descriptor_of(Op op);

// Those of a node that are some.
std::vector<MaskPlan> masks_of(const Node& node);

// Two floats a channel: mean, reciprocal standard deviation.
int64_t saved_statistics(const SavedSizes& sizes);

// Whether both read one input, which is not normalised on the way.
bool same_plain_input(const LoweredNode& a, const LoweredNode& b);

// Tells apart which poolings of an input nodes measure; 0 for nodes that measure none.
int measured_pooling(const Node& node);

}  // namespace dartsmith
