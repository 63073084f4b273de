// recurrentCell, forward: x times W0 for all times at once, then time by time the stages of the schedule.
#include "cpu/recurrent.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

class Forward {
 public:
  Forward(Stream& stream, const KernelCall& call)
      : stream_(stream), cell_(call), panels_(cell_, static_cast<float*>(call.workspace)) {
    masked_ = panels_.packed + GatePanels::elements(cell_);
    masked_hidden_ = masked_ + (cell_.attributes.nodes + 1) * cell_.state_size();
    masked_input_ = masked_hidden_ + cell_.state_size();
  }

  static int64_t workspace_elements(const Cell& cell) {
    return GatePanels::elements(cell) + (cell.attributes.nodes + 2 + cell.times) * cell.state_size();
  }

  void run() {
    panels_.pack(stream_, cell_);
    copy_hidden();
    multiply_inputs();
    for (int64_t time = 0; time < cell_.times; ++time) {
      mask_hidden(time);
      begin_time(time);
      for (int stage = 0; stage < cell_.schedule.stages; ++stage) run_stage(time, stage);
      take_outputs(time);
    }
  }

 private:
  void copy_hidden() {
    float* first = cell_.call.saved + cell_.layout.hidden();
    const float* given = cell_.call.sequence->hidden;
    for (int64_t i = 0; i < cell_.state_size(); ++i) first[i] = given == nullptr ? 0 : given[i];
  }

  // The part of node 0's gates that is known before any state is.
  void multiply_inputs() {
    const float* inputs = cell_.call.inputs[0].data;
    const int64_t rows = cell_.times * cell_.columns, channels = cell_.channels;
    if (cell_.input_mask() != nullptr) {
      multiply_by_mask(stream_, cell_, inputs, cell_.input_mask(), rows, masked_input_);
      inputs = masked_input_;
    }
    constexpr int64_t kRows = 32 * kPanelRows;
    const int64_t pieces = divide_up(rows, kRows);
    parallel(stream_, cell_.blocks() * pieces, [&](int64_t task, int) {
      const int64_t block = task / pieces, begin = task % pieces * kRows;
      multiply_panel(
          min(kRows, rows - begin), channels, panels_.input(cell_, block),
          [&](int64_t row) { return inputs + (begin + row) * channels; },
          [&](int64_t row, Vec a, Vec g) {
            const int64_t sample = begin + row;
            float* gates = cell_.gates(sample / cell_.columns, -1) + sample % cell_.columns * 2 * channels;
            store_gates(gates, block, a, g);
          });
    });
  }

  void store_gates(float* gates, int64_t block, Vec a, Vec g) const {
    const Lanes lanes(cell_.channels - block * kLanes);
    store_first(gates + block * kLanes, a, lanes);
    store_first(gates + cell_.channels + block * kLanes, g, lanes);
  }

  void mask_hidden(int64_t time) {
    const float* hidden = cell_.hidden_before(time);
    products_hidden_ = hidden;
    if (cell_.hidden_mask() == nullptr) return;
    multiply_by_mask(stream_, cell_, hidden, cell_.hidden_mask(), cell_.columns, masked_hidden_);
    products_hidden_ = masked_hidden_;
  }

  // What a node's products take: the state, or what its mask leaves of it.
  const float* factors(int64_t time, int node) const {
    return cell_.hidden_mask() == nullptr ? cell_.state(time, node) : masked_ + node * cell_.state_size();
  }

  // Node 0.
  void begin_time(int64_t time) {
    const float* hidden = cell_.hidden_before(time);
    const int64_t channels = cell_.channels;
    float *state = cell_.state(time, 0), *all_gates = cell_.gates(time, -1);
    parallel(stream_, cell_.blocks(), [&](int64_t block, int) {
      const int64_t c = block * kLanes;
      const Lanes lanes(channels - c);
      multiply_panel(
          cell_.columns, channels, panels_.hidden(cell_, block),
          [&](int64_t column) { return products_hidden_ + column * channels; },
          [&](int64_t column, Vec a, Vec g) {
            float* gates = all_gates + column * 2 * channels;
            a += load_first(gates + c, lanes);
            g += load_first(gates + channels + c, lanes);
            store_gates(gates, block, a, g);
            const Vec h = load_first(hidden + column * channels + c, lanes);
            store_first(state + column * channels + c, h + logistic(a) * (hyperbolic_tangent(g) - h), lanes);
          });
      complete(time, 0, block);
    });
  }

  void run_stage(int64_t time, int stage) {
    const RecurrentSchedule& schedule = cell_.schedule;
    int pairs[kMostRecurrentPairs], count = 0;
    for (int pair = 0; pair < schedule.pairs; ++pair) {
      if (schedule.stage_of[pair] == stage) pairs[count++] = pair;
    }
    parallel(stream_, count * cell_.blocks(), [&](int64_t task, int) {
      const int pair = pairs[task / cell_.blocks()];
      const int64_t block = task % cell_.blocks();
      add_edge(time, pair, block);
      const int to = schedule.pair[pair].to;
      if (schedule.completes(stage, to)) complete(time, to, block);
    });
  }

  // The sum over the candidates of an edge, for a block of channels.
  void add_edge(int64_t time, int index, int64_t block) {
    const RecurrentPair& pair = cell_.schedule.pair[index];
    const EdgeMix mix(cell_, pair);
    const bool adds = index > cell_.schedule.first_pair[pair.to];
    const int64_t channels = cell_.channels, c = block * kLanes;
    const Lanes lanes(channels - c);
    const float *from = cell_.state(time, pair.from), *rows = factors(time, pair.from);
    float *to = cell_.state(time, pair.to), *all_gates = cell_.gates(time, index);
    multiply_panel(
        cell_.columns, channels, panels_.node(cell_, pair.to, block),
        [&](int64_t column) { return rows + column * channels; },
        [&](int64_t column, Vec a, Vec g) {
          store_gates(all_gates + column * 2 * channels, block, a, g);
          const Vec s = load_first(from + column * channels + c, lanes);
          const Activations activations(g);
          Vec mixed = {};
          for (int k = 0; k < mix.count; ++k) mixed += mix.weight[k] * activations.value(mix.activation[k]);
          Vec sum = multiply_add(logistic(a), mixed - mix.total * s, mix.total * s);
          float* target = to + column * channels + c;
          if (adds) sum += load_first(target, lanes);
          store_first(target, sum, lanes);
        });
  }

  // A block of a node whose sum is there: normalised where the cell is searched, and masked for the products to come.
  void complete(int64_t time, int node, int64_t block) {
    if (cell_.searched) normalise(time, node, block);
    if (cell_.hidden_mask() == nullptr) return;
    const int64_t channels = cell_.channels, c = block * kLanes;
    const Lanes lanes(channels - c);
    for (int64_t column = 0; column < cell_.columns; ++column) {
      const int64_t at = column * channels + c;
      const Vec value = load_first(cell_.state(time, node) + at, lanes) * load_first(cell_.hidden_mask() + at, lanes);
      store_first(masked_ + node * cell_.state_size() + at, value, lanes);
    }
  }

  void normalise(int64_t time, int node, int64_t block) {
    const NormCall& norm = *cell_.call.norm;
    const int64_t channels = cell_.channels, c = block * kLanes;
    const Lanes lanes(channels - c);
    const auto count = static_cast<float>(cell_.columns);
    float* state = cell_.state(time, node) + c;
    Vec mean = {}, variance = {};
    if (norm.statistics == Statistics::kRunning) {
      mean = load_first(norm.running_mean + c, lanes);
      variance = load_first(norm.running_variance + c, lanes);
    } else {
      for (int64_t column = 0; column < cell_.columns; ++column) mean += load_first(state + column * channels, lanes);
      mean /= count;
      for (int64_t column = 0; column < cell_.columns; ++column) {
        const Vec off = load_first(state + column * channels, lanes) - mean;
        variance += off * off;
      }
      variance /= count;
    }
    if (norm.statistics == Statistics::kBatchUpdating) {
      const float momentum = norm.attributes.momentum;
      const auto move = [&](float* running, Vec value) {
        store_first(running + c, multiply_add(splat(momentum), value, (1 - momentum) * load_first(running + c, lanes)),
                    lanes);
      };
      move(norm.running_mean, mean);
      move(norm.running_variance, variance * (count / (count - 1)));
    }
    Vec deviation = {};
    for (int i = 0; i < kLanes; ++i) deviation[i] = 1 / __builtin_sqrtf(variance[i] + norm.attributes.epsilon);
    store_first(cell_.deviation(time, node) + c, deviation, lanes);
    for (int64_t column = 0; column < cell_.columns; ++column) {
      float* value = state + column * channels;
      store_first(value, (load_first(value, lanes) - mean) * deviation, lanes);
    }
  }

  void take_outputs(int64_t time) {
    const RecurrentCellAttributes& attributes = cell_.attributes;
    float* output = cell_.call.output.data + time * cell_.state_size();
    const Vec share = splat(1.0f / static_cast<float>(attributes.output_count));
    parallel_ranges(stream_, cell_.state_size(), kElementGrain / 2, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i += kLanes) {
        const Lanes lanes(end - i);
        Vec sum = {};
        for (int k = 0; k < attributes.output_count; ++k) {
          sum += load_first(cell_.state(time, attributes.outputs[k]) + i, lanes);
        }
        store_first(output + i, sum * share, lanes);
      }
    });
  }

  Stream& stream_;
  const Cell cell_;
  const GatePanels panels_;
  float* masked_;         // [nodes + 1, columns, channels]
  float* masked_hidden_;  // [columns, channels]
  float* masked_input_;   // [times, columns, channels]
  const float* products_hidden_ = nullptr;
};

}  // namespace

void recurrent_forward(Stream& stream, const KernelCall& call) {
  Forward(stream, call).run();
}

size_t recurrent_forward_bytes(const KernelCall& call) {
  return static_cast<size_t>(Forward::workspace_elements(Cell(call))) * sizeof(float);
}

}  // namespace dartsmith::cpu::DARTSMITH_ISA
