// recurrentCell, backward: time by time the chain of data gradients, which leaves those of gates and candidates in
// their place; then the gradients of weights and of the input for all times at once.
#include "cpu/recurrent.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

// Nodes whose gradients are complete together, from the last on: in a searched cell each by itself, else those of a
// depth.
struct Group {
  int nodes[kMostRecurrentNodes];
  int count = 0;
};

// The pairs of a group that come from one node.
struct Source {
  int from = 0;
  int pairs[kMostRecurrentNodes];
  int count = 0;
};

class Backward {
 public:
  Backward(Stream& stream, const KernelCall& call) : stream_(stream), cell_(call) {
    Memory memory(cell_, static_cast<float*>(call.workspace));
    transposed_ = memory.transposed;
    gradients_ = memory.gradients;
    hidden_gradient_ = memory.hidden_gradient;
    mixing_ = memory.mixing;
  }

  static int64_t workspace_elements(const Cell& cell) { return Memory(cell, nullptr).elements; }

  void run() {
    pack();
    fill(hidden_gradient_, cell_.state_size(), 0);
    for (int64_t i = 0; i < mixing_count(cell_); ++i) mixing_[i] = 0;
    for (int64_t time = cell_.times - 1; time >= 0; --time) {
      begin_time(time);
      for (int stage = last_stage(); stage >= 0; --stage) run_group(time, group_of(stage));
      finish_time(time);
    }
    add_mixing_gradients();
    if (cell_.call.input_gradients[0].mode != GradientMode::kIgnore) find_input_gradient();
    if (cell_.call.weight_gradient != nullptr) find_weight_gradients();
  }

 private:
  struct Memory {
    float *transposed, *gradients, *hidden_gradient;
    double* mixing;
    int64_t elements;

    Memory(const Cell& cell, float* start) {
      const int64_t transposed_elements =
          (2 + cell.attributes.nodes) * panel_elements(2 * cell.channels, cell.channels);
      const int64_t states = (cell.attributes.nodes + 1) * cell.state_size();
      const int64_t even = RecurrentWeights::aligned(transposed_elements + states + cell.state_size());
      elements = even + 2 * mixing_count(cell);
      transposed = start;
      gradients = transposed + transposed_elements;
      hidden_gradient = gradients + states;
      mixing = reinterpret_cast<double*>(start + even);
    }
  };

  // Sums of gradients of mixing weights, a block of channels each.
  static int64_t mixing_count(const Cell& cell) {
    return cell.searched ? cell.blocks() * cell.schedule.pairs * cell.attributes.candidate_count : 0;
  }

  // Matrices [2 * channels, channels], transposed: 0 is that of x, 1 that of h.
  const float* transposed(int64_t matrix, int64_t panel) const {
    return transposed_ + (matrix * panels_of(cell_.channels) + panel) * 2 * cell_.channels * kPanelWidth;
  }

  void pack() {
    const int64_t panels = panels_of(cell_.channels), depth = 2 * cell_.channels;
    parallel(stream_, (2 + cell_.attributes.nodes) * panels, [&](int64_t task, int) {
      const int64_t matrix = task / panels, panel = task % panels;
      const int64_t offset = matrix == 0   ? cell_.weights.of_input()
                             : matrix == 1 ? cell_.weights.of_hidden()
                                           : cell_.weights.of_node(static_cast<int>(matrix - 1));
      pack_transposed_panel(cell_.call.weight + offset, depth, depth, panel * kPanelWidth, cell_.channels,
                            transposed_ + task * depth * kPanelWidth);
    });
  }

  float* gradient(int node) const { return gradients_ + node * cell_.state_size(); }

  int last_stage() const { return cell_.searched ? cell_.attributes.nodes - 1 : cell_.schedule.stages - 1; }

  Group group_of(int stage) const {
    const RecurrentSchedule& schedule = cell_.schedule;
    Group group;
    for (int node = 1; node <= schedule.nodes; ++node) {
      const int own = cell_.searched ? node - 1 : schedule.stage_of[schedule.first_pair[node]];
      if (own == stage) group.nodes[group.count++] = node;
    }
    return group;
  }

  // Of all nodes: what the output and the next time hand back.
  void begin_time(int64_t time) {
    const RecurrentCellAttributes& attributes = cell_.attributes;
    bool reaches[kMostRecurrentNodes + 1] = {};
    for (int k = 0; k < attributes.output_count; ++k) reaches[attributes.outputs[k]] = true;
    const float* output = cell_.call.output_gradient + time * cell_.state_size();
    const Vec share = splat(1.0f / static_cast<float>(attributes.output_count));
    parallel_ranges(stream_, cell_.state_size(), kElementGrain / 2, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i += kLanes) {
        const Lanes lanes(end - i);
        const Vec value = share * (load_first(output + i, lanes) + load_first(hidden_gradient_ + i, lanes));
        for (int node = 0; node <= attributes.nodes; ++node) {
          store_first(gradient(node) + i, reaches[node] ? value : Vec{}, lanes);
        }
      }
    });
  }

  void run_group(int64_t time, const Group& group) {
    parallel(stream_, cell_.blocks(), [&](int64_t block, int) {
      for (int k = 0; k < group.count; ++k) {
        const int node = group.nodes[k];
        if (cell_.searched) denormalise(time, node, block);
        for (int pair = cell_.schedule.first_pair[node]; pair < cell_.schedule.first_pair[node + 1]; ++pair) {
          leave_edge(time, pair, block);
        }
      }
    });
    Source sources[kMostRecurrentNodes + 1];
    const int count = sources_of(group, sources);
    const int64_t panels = panels_of(cell_.channels);
    parallel(stream_, count * panels, [&](int64_t task, int) {
      const Source& source = sources[task / panels];
      for (int k = 0; k < source.count; ++k) {
        const int pair = source.pairs[k];
        add_product(cell_.gates(time, pair), transposed(1 + cell_.schedule.pair[pair].to, task % panels),
                    task % panels * kPanelWidth, gradient(source.from));
      }
    });
  }

  int sources_of(const Group& group, Source* sources) const {
    int count = 0;
    for (int k = 0; k < group.count; ++k) {
      const int node = group.nodes[k];
      for (int pair = cell_.schedule.first_pair[node]; pair < cell_.schedule.first_pair[node + 1]; ++pair) {
        int at = 0;
        while (at < count && sources[at].from != cell_.schedule.pair[pair].from) ++at;
        if (at == count) sources[count++].from = cell_.schedule.pair[pair].from;
        sources[at].pairs[sources[at].count++] = pair;
      }
    }
    return count;
  }

  // target += mask * (gates [columns, 2 * channels] times a transposed panel), for the panel's channels.
  void add_product(const float* gates, const float* panel, int64_t column, float* target) const {
    const int64_t channels = cell_.channels, depth = 2 * channels;
    const float* mask = cell_.hidden_mask();
    multiply_panel(
        cell_.columns, depth, panel, [&](int64_t row) { return gates + row * depth; },
        [&](int64_t row, Vec first, Vec second) {
          if (mask != nullptr) {
            const float* factors = mask + row * channels + column;
            first *= load_first(factors, Lanes(channels - column));
            if (channels - column > kLanes) second *= load_first(factors + kLanes, Lanes(channels - column - kLanes));
          }
          store_panel_row(target + row * channels, column, channels, first, second, true);
        });
  }

  // From the gradient of a normalised node to that of what was normalised, in its place.
  void denormalise(int64_t time, int node, int64_t block) const {
    const int64_t channels = cell_.channels, c = block * kLanes;
    const Lanes lanes(channels - c);
    const Vec deviation = load_first(cell_.deviation(time, node) + c, lanes);
    const float* state = cell_.state(time, node) + c;
    float* gradients = gradient(node) + c;
    Vec mean = {}, product = {};
    if (!cell_.call.fixed_statistics) {
      for (int64_t column = 0; column < cell_.columns; ++column) {
        const Vec d = load_first(gradients + column * channels, lanes);
        mean += d;
        product += d * load_first(state + column * channels, lanes);
      }
      mean /= static_cast<float>(cell_.columns);
      product /= static_cast<float>(cell_.columns);
    }
    for (int64_t column = 0; column < cell_.columns; ++column) {
      const Vec s = load_first(state + column * channels, lanes);
      float* value = gradients + column * channels;
      store_first(value, deviation * (load_first(value, lanes) - mean - s * product), lanes);
    }
  }

  // Leaves the gradients of an edge's gates in the place of these, and its highway's part in that of the node it comes
  // from.
  void leave_edge(int64_t time, int index, int64_t block) {
    const RecurrentPair& pair = cell_.schedule.pair[index];
    const EdgeMix mix(cell_, pair);
    const int64_t channels = cell_.channels, c = block * kLanes;
    const Lanes lanes(channels - c);
    const float *from = cell_.state(time, pair.from) + c, *out = gradient(pair.to) + c;
    float *to = gradient(pair.from) + c, *all_gates = cell_.gates(time, index) + c;
    Vec sums[kRecurrentActivations] = {};
    for (int64_t column = 0; column < cell_.columns; ++column) {
      float* gates = all_gates + column * 2 * channels;
      const Vec s = load_first(from + column * channels, lanes), d = load_first(out + column * channels, lanes);
      const Vec c_gate = logistic(load_first(gates, lanes));
      const Activations activations(load_first(gates + channels, lanes));
      Vec mixed = {}, slope = {};
      for (int k = 0; k < mix.count; ++k) {
        const Vec value = activations.value(mix.activation[k]);
        mixed += mix.weight[k] * value;
        slope += mix.weight[k] * activations.slope(mix.activation[k]);
        sums[k] += d * (s + c_gate * (value - s));
      }
      store_first(gates, d * (mixed - mix.total * s) * c_gate * (1.0f - c_gate), lanes);
      store_first(gates + channels, d * c_gate * slope, lanes);
      float* target = to + column * channels;
      store_first(target, load_first(target, lanes) + mix.total * d * (1.0f - c_gate), lanes);
    }
    if (cell_.call.sequence->mixing_gradient == nullptr) return;
    const int candidates = cell_.attributes.candidate_count;
    double* gradients = mixing_ + (block * cell_.schedule.pairs + index) * candidates;
    for (int k = 0; k < mix.count; ++k) gradients[mix.candidate[k]] += sum(sums[k]);
  }

  // Node 0, and the hidden state that the time began with.
  void finish_time(int64_t time) {
    const int64_t channels = cell_.channels;
    const float* hidden = cell_.hidden_before(time);
    parallel(stream_, cell_.blocks(), [&](int64_t block, int) {
      if (cell_.searched) denormalise(time, 0, block);
      const int64_t c = block * kLanes;
      const Lanes lanes(channels - c);
      for (int64_t column = 0; column < cell_.columns; ++column) {
        float* gates = cell_.gates(time, -1) + column * 2 * channels + c;
        const int64_t at = column * channels + c;
        const Vec h = load_first(hidden + at, lanes), d = load_first(gradient(0) + at, lanes);
        const Vec gate = logistic(load_first(gates, lanes)),
                  value = hyperbolic_tangent(load_first(gates + channels, lanes));
        store_first(gates, d * (value - h) * gate * (1.0f - gate), lanes);
        store_first(gates + channels, d * gate * (1.0f - value * value), lanes);
        store_first(hidden_gradient_ + at, d * (1.0f - gate), lanes);
      }
    });
    parallel(stream_, panels_of(channels), [&](int64_t panel, int) {
      add_product(cell_.gates(time, -1), transposed(1, panel), panel * kPanelWidth, hidden_gradient_);
    });
  }

  void add_mixing_gradients() const {
    double* gradients = cell_.call.sequence->mixing_gradient;
    if (gradients == nullptr) return;
    const int64_t entries = cell_.schedule.pairs * cell_.attributes.candidate_count;
    for (int64_t block = 0; block < cell_.blocks(); ++block) {
      for (int64_t i = 0; i < entries; ++i) gradients[i] += mixing_[block * entries + i];
    }
  }

  void find_input_gradient() const {
    const auto [target, mode, precision] = cell_.call.input_gradients[0];
    const int64_t channels = cell_.channels, depth = 2 * channels, panels = panels_of(channels);
    const float* mask = cell_.input_mask();
    parallel(stream_, cell_.times * panels, [&](int64_t task, int) {
      const int64_t time = task / panels, panel = task % panels, column = panel * kPanelWidth;
      const float* gates = cell_.gates(time, -1);
      multiply_panel(
          cell_.columns, depth, transposed(0, panel), [&](int64_t row) { return gates + row * depth; },
          [&](int64_t row, Vec first, Vec second) {
            if (mask != nullptr) {
              const float* factors = mask + row * channels + column;
              first *= load_first(factors, Lanes(channels - column));
              if (channels - column > kLanes) second *= load_first(factors + kLanes, Lanes(channels - column - kLanes));
            }
            float* to = target + (time * cell_.columns + row) * channels;
            store_panel_row(to, column, channels, first, second, mode == GradientMode::kAccumulate);
          });
    });
  }

  // A task has some rows of a matrix; matrices that sum over more pairs come first.
  void find_weight_gradients() const {
    constexpr int64_t kRows = 20 * kPanelRows;
    const int64_t channels = cell_.channels, pieces = divide_up(channels, kRows);
    const int nodes = cell_.attributes.nodes;
    parallel(stream_, (nodes + 2) * pieces, [&](int64_t task, int thread) {
      const int node = nodes - static_cast<int>(task / pieces);  // -1 for the rows of x, 0 for those of h
      const int64_t begin = task % pieces * kRows, rows = min(kRows, channels - begin);
      float* scratch = thread_scratch<float>(stream_, thread, correlation_scratch(rows));
      if (node > 0) {
        correlate_node(node, begin, rows, scratch);
      } else {
        correlate_first(node < 0, begin, rows, scratch);
      }
    });
  }

  void correlate_node(int node, int64_t begin, int64_t rows, float* scratch) const {
    const RecurrentSchedule& schedule = cell_.schedule;
    const int64_t channels = cell_.channels, columns = cell_.columns;
    const int first = schedule.first_pair[node], pairs = schedule.first_pair[node + 1] - first;
    float* target = cell_.call.weight_gradient + cell_.weights.of_node(node) + begin * 2 * channels;
    fill(target, rows * 2 * channels, 0);
    const float* mask = cell_.hidden_mask();
    const auto pair_of = [&](int64_t sample) { return first + static_cast<int>(sample / columns % pairs); };
    add_correlation(
        cell_.times * pairs * columns, rows, 2 * channels,
        [&](int64_t sample) {
          const int from = schedule.pair[pair_of(sample)].from;
          return cell_.state(sample / columns / pairs, from) + sample % columns * channels + begin;
        },
        [&](int64_t sample) -> const float* {
          return mask == nullptr ? nullptr : mask + sample % columns * channels + begin;
        },
        [&](int64_t sample) {
          return cell_.gates(sample / columns / pairs, pair_of(sample)) + sample % columns * 2 * channels;
        },
        target, scratch);
  }

  void correlate_first(bool of_input, int64_t begin, int64_t rows, float* scratch) const {
    const int64_t channels = cell_.channels, columns = cell_.columns;
    const int64_t offset = of_input ? cell_.weights.of_input() : cell_.weights.of_hidden();
    float* target = cell_.call.weight_gradient + offset + begin * 2 * channels;
    fill(target, rows * 2 * channels, 0);
    const float* mask = of_input ? cell_.input_mask() : cell_.hidden_mask();
    add_correlation(
        cell_.times * columns, rows, 2 * channels,
        [&](int64_t sample) -> const float* {
          if (of_input) return cell_.call.inputs[0].data + sample * channels + begin;
          return cell_.hidden_before(sample / columns) + sample % columns * channels + begin;
        },
        [&](int64_t sample) -> const float* {
          return mask == nullptr ? nullptr : mask + sample % columns * channels + begin;
        },
        [&](int64_t sample) { return cell_.gates(sample / columns, -1) + sample % columns * 2 * channels; }, target,
        scratch);
  }

  Stream& stream_;
  const Cell cell_;
  float* transposed_;       // panels of the transposed matrices
  float* gradients_;        // [nodes + 1, columns, channels]
  float* hidden_gradient_;  // [columns, channels], from the time after
  double* mixing_;          // [blocks of channels, pairs, candidates]
};

}  // namespace

void recurrent_backward(Stream& stream, const KernelCall& call) {
  Backward(stream, call).run();
}

size_t recurrent_backward_bytes(const KernelCall& call) {
  return static_cast<size_t>(Backward::workspace_elements(Cell(call))) * sizeof(float);
}

}  // namespace dartsmith::cpu::DARTSMITH_ISA
