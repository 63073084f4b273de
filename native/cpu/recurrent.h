// What both directions of a recurrent cell share on a CPU: where its numbers lie, its matrices in panels, and what an
// edge computes. Tasks have a vector of channels each, of all columns, so that batch statistics are a task's own
// affair.
#pragma once
#include "cpu/exponential.h"
#include "cpu/kernels.h"
#include "cpu/panels.h"
#include "engine/recurrent.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

struct Cell {
  const KernelCall& call;
  const RecurrentCellAttributes& attributes;
  RecurrentSchedule schedule;
  RecurrentWeights weights;
  RecurrentSaved layout;
  int64_t channels, columns, times;
  bool searched;

  explicit Cell(const KernelCall& given)
      : call(given),
        attributes(attributes_of<RecurrentCellAttributes>(given)),
        schedule(attributes),
        weights{given.output.channels},
        layout(recurrent_saved(attributes, given.output.channels, given.output.batch, given.sequence->columns)),
        channels(given.output.channels),
        columns(given.sequence->columns),
        times(given.output.batch / given.sequence->columns),
        searched(attributes.candidate_count > 0) {}

  int64_t state_size() const { return columns * channels; }
  int64_t blocks() const { return divide_up(channels, kLanes); }
  float* state(int64_t time, int64_t node) const { return call.saved + layout.state(time, node); }
  float* deviation(int64_t time, int64_t node) const { return call.saved + layout.deviation(time, node); }
  // Of a pair of the schedule; of node 0 for -1.
  float* gates(int64_t time, int64_t pair) const { return call.saved + layout.gates(time, pair + 1); }
  // The hidden state that a time begins with.
  const float* hidden_before(int64_t time) const {
    return time == 0 ? call.saved + layout.hidden() : call.output.data + (time - 1) * state_size();
  }
  const float* input_mask() const { return call.sequence->masks[0]; }
  const float* hidden_mask() const { return call.sequence->masks[1]; }
  const float* mixing(const RecurrentPair& pair) const {
    return call.sequence->mixing + pair.row * attributes.candidate_count;
  }
  bool running() const { return call.norm != nullptr && call.norm->statistics == Statistics::kRunning; }
};

// An edge's gate, and its activations of g with their slopes.
struct Activations {
  Vec tanh, logistic, g;
  explicit Activations(Vec value) : g(value) {
    const Vec e = exponential(-magnitude(value));
    const Vec near_one = 1.0f / (1.0f + e);
    logistic = choose(value < Vec{}, e * near_one, near_one);
    const Vec squared = e * e, size = magnitude(value);
    const Vec far = with_sign_of((1.0f - squared) / (1.0f + squared), value);
    tanh = choose(size < splat(0.625f), tangent_near_zero(value), far);
  }
  Vec value(RecurrentActivation activation) const {
    switch (activation) {
      case RecurrentActivation::kNone:
        return Vec{};
      case RecurrentActivation::kTanh:
        return tanh;
      case RecurrentActivation::kRelu:
        return choose(g < Vec{}, Vec{}, g);
      case RecurrentActivation::kSigmoid:
        return logistic;
      case RecurrentActivation::kIdentity:
        return g;
    }
    return g;
  }
  Vec slope(RecurrentActivation activation) const {
    switch (activation) {
      case RecurrentActivation::kNone:
        return Vec{};
      case RecurrentActivation::kTanh:
        return 1.0f - tanh * tanh;
      case RecurrentActivation::kRelu:
        return choose(g > Vec{}, splat(1), Vec{});
      case RecurrentActivation::kSigmoid:
        return logistic * (1.0f - logistic);
      case RecurrentActivation::kIdentity:
        return splat(1);
    }
    return g;
  }
};

// What an edge mixes: candidates that are some, with their weights; a derived edge has one, of weight 1.
struct EdgeMix {
  int count = 0;
  RecurrentActivation activation[kRecurrentActivations];
  int candidate[kRecurrentActivations];
  float weight[kRecurrentActivations];
  float total = 0;  // q

  EdgeMix(const Cell& cell, const RecurrentPair& pair) {
    if (!cell.searched) {
      if (pair.activation != RecurrentActivation::kNone) add(pair.activation, 0, 1);
      return;
    }
    for (int k = 0; k < cell.attributes.candidate_count; ++k) {
      if (cell.attributes.candidates[k] == RecurrentActivation::kNone) continue;
      add(cell.attributes.candidates[k], k, cell.mixing(pair)[k]);
    }
  }

 private:
  void add(RecurrentActivation which, int place, float of) {
    activation[count] = which;
    candidate[count] = place;
    weight[count++] = of;
    total += of;
  }
};

// A product's matrices in panels, packed for a pass: the rows of x, those of h, then each node's.
struct GatePanels {
  float* packed;
  int64_t each;  // elements of a matrix

  GatePanels(const Cell& cell, float* memory) : packed(memory), each(elements(cell.channels)) {}
  static int64_t elements(int64_t channels) { return divide_up(channels, kLanes) * channels * kPanelWidth; }
  static int64_t elements(const Cell& cell) { return (2 + cell.attributes.nodes) * elements(cell.channels); }
  float* input(const Cell& cell, int64_t block) const { return packed + block * cell.channels * kPanelWidth; }
  float* hidden(const Cell& cell, int64_t block) const { return input(cell, block) + each; }
  float* node(const Cell& cell, int node, int64_t block) const { return input(cell, block) + (1 + node) * each; }

  void pack(Stream& stream, const Cell& cell) const {
    const int64_t blocks = cell.blocks();
    parallel(stream, (2 + cell.attributes.nodes) * blocks, [&](int64_t task, int) {
      const int64_t matrix = task / blocks, block = task % blocks;
      const int64_t offset = matrix == 0   ? cell.weights.of_input()
                             : matrix == 1 ? cell.weights.of_hidden()
                                           : cell.weights.of_node(static_cast<int>(matrix - 1));
      pack_gate_panel(cell.call.weight + offset, cell.channels, cell.channels, block * kLanes,
                      packed + matrix * each + block * cell.channels * kPanelWidth);
    });
  }
};

// target = values times a mask that is the same at all times; `rows` samples.
inline void multiply_by_mask(Stream& stream, const Cell& cell, const float* values, const float* mask, int64_t rows,
                             float* target) {
  parallel_ranges(stream, rows, max(1, kElementGrain / cell.channels), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float *from = values + row * cell.channels, *factors = mask + row % cell.columns * cell.channels;
      for (int64_t c = 0; c < cell.channels; c += kLanes) {
        const Lanes lanes(cell.channels - c);
        store_first(target + row * cell.channels + c, load_first(from + c, lanes) * load_first(factors + c, lanes),
                    lanes);
      }
    }
  });
}

void recurrent_forward(Stream& stream, const KernelCall& call);
void recurrent_backward(Stream& stream, const KernelCall& call);
size_t recurrent_forward_bytes(const KernelCall& call);
size_t recurrent_backward_bytes(const KernelCall& call);

}  // namespace dartsmith::cpu::DARTSMITH_ISA
