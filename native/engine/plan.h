// A graph planned for one kind of pass: which kernels run in which order and where every buffer lies in one arena.
#pragma once
#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/backend.h"
#include "engine/lowered.h"
#include "engine/memory.h"
#include "engine/ops/descriptor.h"
#include "engine/recompute.h"

namespace dartsmith {

enum class PassKind { kEvaluate, kWeights, kAlpha, kBoth, kVjp };
inline constexpr int kPassKindCount = 5;

// Part of the arena of weights: a group of them.
struct WeightRange {
  int64_t offset = 0;
  int64_t count = 0;
  bool holds(const ParameterPlace& place) const {
    return place && place.offset >= offset && place.offset < offset + count;
  }
  auto operator<=>(const WeightRange&) const = default;
};

// What a lowered node owns; buffers are indices into Plan::offsets, -1 for none.
struct PlannedNode {
  bool has_gradient = false;  // a wanted gradient flows through its output, from the graph's
  int value = -1;
  int recomputed = -1;  // where backward computes the value again; `value` is not kept for it then
  int gradient = -1;
  int gradient_map = -1;  // where its consumer normalises it: see InputLink
  int saved = -1;
  bool shares_gradient = false;  // `gradient` is that of its only consumer: a sum, or a combine that normalises it
  std::array<int, kMostMasks> masks{-1, -1};  // what it multiplies by over a sequence
  int dropout = -1;  // what the consumer that normalises it drops samples of it by: see LoweredInput
};

// Where backward leaves the gradients of a pair of weights: -1 for the weights' own place. A buffer is for weights
// whose gradient an earlier step, or node of the step, leaves there: the two are added.
struct PairOfGradients {
  int first = -1;
  int second = -1;
};

// One node of a step.
struct StepNode {
  int id;
  int workspace = -1;
  PairOfGradients own{};                 // backward: of its weight and bias
  std::vector<PairOfGradients> norms{};  // backward: by input, of scale and shift of a lazy batch-norm
};

// One thing to run: a node, or nodes that a kernel takes at once (OpDescriptor::joins).
struct Step {
  std::vector<StepNode> nodes;
  bool backward;
  bool sliced = false;      // runs on the samples of one slice after another
  bool both = false;        // backward that does what forward would as well, among the forward steps
  bool recomputes = false;  // forward once more, among the backward steps

  // Whether it computes values for the first time.
  bool computes() const { return both || !(backward || recomputes); }
};

// How a plan cuts its batch where no sample meets another before the loss: each slice goes through all of the steps
// before the next does, so that what lies between them stays in a core's cache, and workers take slices side by side.
struct Slicing {
  int64_t samples;  // a slice; the last may have fewer
  int workers;
};

// As many samples a slice as a core's cache holds the buffers of, and slices that share out evenly.
Slicing choose_slicing(const Lowered& graph, int64_t batch, Precision precision, const Backend& backend);

class Plan {
 public:
  PassKind kind = PassKind::kEvaluate;
  Precision precision = Precision::kFp32;
  bool halves_images = false;  // see Backend
  WantedGradients wants;
  bool wants_inputs = false;
  std::vector<WeightRange> ranges;  // of the weights whose gradients are wanted; all without one
  Lowered graph;
  std::vector<PlannedNode> nodes;
  std::vector<Step> steps;
  std::optional<Slicing> slicing;
  std::vector<int64_t> offsets;     // of each buffer, in bytes; in a plan with slices, of a slice's from its worker's
  std::vector<Lifetime> lifetimes;  // of each buffer, by steps; the zone behind it included
  std::vector<bool> sliced;         // by buffer: holds a slice's samples; workers have one each
  int64_t batch_bytes = 0;          // of the buffers that hold the batch
  int64_t slice_bytes = 0;          // of one worker's buffers, behind those
  int64_t arena_bytes = 0;

  bool wants_weight(const ParameterPlace& place) const {
    if (!wants.weights || !place) return false;
    return ranges.empty() || std::ranges::any_of(ranges, [&](const WeightRange& range) { return range.holds(place); });
  }
  // Of a node that has several, all are computed where one is wanted.
  bool wants_weights(const Node& node) const {
    return wants_weight(node.weight) || wants_weight(node.bias) || wants_weight(node.scale) || wants_weight(node.shift);
  }

  // How a node's value is stored.
  Precision precision_of(int id) const {
    const LoweredNode& lowered = graph.nodes[id];
    const OpDescriptor& descriptor = descriptor_of(lowered.node.op);
    if (descriptor.borrows_value) return precision_of(lowered.inputs[0].id);
    if (halves_images) return image_precision(lowered.node);
    return descriptor.stores_rounded ? precision : Precision::kFp32;
  }
  Precision gradient_precision_of(int id) const {
    return halves_images ? image_precision(graph.nodes[id].node) : Precision::kFp32;
  }
  // Of one sample.
  int64_t value_bytes(int id) const { return graph.nodes[id].node.shape.elements() * element_bytes(precision_of(id)); }
  int64_t gradient_bytes(int id) const {
    return graph.nodes[id].node.shape.elements() * element_bytes(gradient_precision_of(id));
  }

 private:
  Precision image_precision(const Node& node) const {
    return node.op != Op::kInput && node.shape.height * node.shape.width > 1 ? precision : Precision::kFp32;
  }
};

// Samples of a pass at most; those of a sequence's time are its columns, 0 where there are no sequences.
struct BatchSizes {
  int64_t samples;
  int64_t columns = 0;
};

// Slices are for evaluation with running statistics.
Plan make_plan(Lowered graph, BatchSizes batch, PassKind kind, Precision precision, const Backend& backend,
               std::vector<WeightRange> ranges = {}, std::optional<Slicing> slicing = std::nullopt,
               Recompute recompute = Recompute::kNone);

}  // namespace dartsmith
