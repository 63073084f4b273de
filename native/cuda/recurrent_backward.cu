// recurrentCell, backward: time by time the chain of data gradients, which leaves those of gates and candidates in
// their place; then the gradients of weights and of the input for all times at once.
#include "cuda/dense.cuh"
#include "cuda/recurrent.cuh"

namespace dartsmith::cuda::recurrent {
namespace {

using DenseParts = dense::Parts<Precision::kFp32>;

struct Backward {
  Cell cell;
  Packing packing;
  static constexpr int at_once = 1;  // matrices of one product
  float* turned_gates;               // [1 + pairs, 2 * channels, pitch]: gradients of gates as products take them
  float* gradients;                  // [nodes + 1, channels, pitch]
  float* hidden_gradient;            // [channels, pitch], from the time after
  double* mixing;                    // [slices, pairs, candidates]: gradients of mixing weights
  const float* output_gradient;
  bool wants_mixing;
  bool fixed_statistics;
  bool reaches[kStates] = {};  // by node: whether it is an output

  explicit Backward(const KernelCall& call)
      : cell(call),
        packing(Packing::backward(cell)),
        output_gradient(call.output_gradient),
        wants_mixing(call.sequence->mixing_gradient != nullptr),
        fixed_statistics(call.fixed_statistics) {
    turned_gates = cell.packed + packing.all(cell);
    gradients = turned_gates + (1 + cell.schedule.pairs) * 2 * cell.turned_size();
    hidden_gradient = gradients + (1 + cell.schedule.nodes) * cell.turned_size();
    mixing = reinterpret_cast<double*>(hidden_gradient + cell.turned_size());
    for (int k = 0; k < cell.output_count; ++k) reaches[cell.outputs[k]] = true;
  }
  size_t workspace_bytes() const {
    const int64_t turned = 2 * (1 + cell.schedule.pairs) + (1 + cell.schedule.nodes) + 1;
    return static_cast<size_t>(packing.all(cell) + turned * cell.turned_size()) * sizeof(float) +
           static_cast<size_t>(cell.slices * mixing_entries()) * sizeof(double);
  }
  __host__ __device__ int64_t mixing_entries() const { return int64_t{cell.schedule.pairs} * cell.candidate_count; }
  // Of a pair of the schedule; of node 0 for -1.
  __device__ float* turned(int pair) const { return turned_gates + (1 + pair) * 2 * cell.turned_size(); }
  __device__ float* gradient(int node) const { return gradients + node * cell.turned_size(); }
  // Leaves the gradients of a gate and its candidate.
  __device__ void set_gates(int time, int pair, int row, int channel, float a, float g) const {
    float* gates = cell.gates(time, pair) + int64_t{row} * 2 * cell.channels + channel;
    gates[0] = a;
    gates[cell.channels] = g;
    float* factors = turned(pair) + int64_t{channel} * cell.pitch + row;
    factors[0] = a;
    factors[cell.turned_size()] = g;
  }
};

__global__ void __launch_bounds__(kThreads) pack_backward_kernel(DARTSMITH_ARGUMENT(Backward) call) {
  begin_kernel();
  const Cell& cell = call.cell;
  const Packing packing = call.packing;
  for_grid(packing.all(cell), [&](Index item) {
    const int within = static_cast<int>(item % packing.elements()), k = within / packing.columns;
    const Index of = item / packing.elements();
    const int slice = static_cast<int>(of / cell.matrices()), matrix = static_cast<int>(of % cell.matrices());
    const int column = within % packing.columns, channel = slice * cell.width + column;
    const bool some = k < packing.inner && column < cell.width && channel < cell.channels;
    cell.packed[item] = some ? cell.weight[cell.weights_of(matrix) + int64_t{channel} * 2 * cell.channels + k] : 0;
  });
}

// --- Steps of a slice; all threads of a block together

// target [channels, pitch] += mask * (gradients of gates times transposed matrices): those of `count` pairs, or of node
// 0 where there is none.
__device__ void add_product(const Backward& call, const int16_t* pairs, int count, int slice, const Parts& parts,
                            float* target) {
  const Cell& cell = call.cell;
  const auto left = [&](int segment) { return call.turned(count == 0 ? -1 : pairs[segment]); };
  const auto matrix = [&](int segment, int) { return count == 0 ? 0 : cell.schedule.pair[pairs[segment]].to; };
  const int segments = count == 0 ? 1 : count;
  Product(call, parts, slice, segments, 1, left, matrix).compute([&](const Item& item, Sums sums) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const int row = 4 * item.group + i % 4, within = 2 * item.pair + i / 4;
      if (row >= cell.columns || within >= cell.width_of(slice)) continue;
      const int channel = slice * cell.width + within;
      const float sum = i < 4 ? at(sums.first, i % 4) : at(sums.second, i % 4);
      target[int64_t{channel} * cell.pitch + row] += cell.hidden_factor(row, channel) * sum;
    }
  });
}

// Gradients of all nodes: what the output and the next time hand back.
__device__ void begin_time(const Backward& call, int time, int slice, const Parts& parts) {
  const Cell& cell = call.cell;
  const bool last = time == cell.times - 1;
  if (!last) {
    add_product(call, nullptr, 0, slice, parts, call.hidden_gradient);
    __syncthreads();
  }
  const float share = 1.0f / static_cast<float>(cell.output_count);
  const float* outputs = call.output_gradient + time * cell.state_size();
  for_elements(cell, slice, [&](int row, int channel, int64_t turned) {
    const float handed_back = last ? 0 : call.hidden_gradient[turned];
    const float value = share * (outputs[int64_t{row} * cell.channels + channel] + handed_back);
    for (int node = 0; node <= cell.schedule.nodes; ++node) {
      call.gradient(node)[turned] = call.reaches[node] ? value : 0;
    }
  });
}

// From the gradient of a normalised node to that of what was normalised, in its place.
__device__ void denormalise(const Backward& call, int time, int node, int slice) {
  const Cell& cell = call.cell;
  for_channels(cell, slice, [&](int channel) {
    float* gradients = call.gradient(node) + int64_t{channel} * cell.pitch;
    const float* states = cell.state(time, node) + channel;
    const int lane = static_cast<int>(threadIdx.x) % kLanes;
    double sum = 0, product = 0;
    if (!call.fixed_statistics) {
      for (int row = lane; row < cell.columns; row += kLanes) {
        sum += gradients[row];
        product += static_cast<double>(gradients[row]) * states[int64_t{row} * cell.channels];
      }
    }
    const float mean = static_cast<float>(warp_sum(sum) / cell.columns);
    const float mean_product = static_cast<float>(warp_sum(product) / cell.columns);
    const float deviation = cell.deviation(time, node)[channel];
    for (int row = lane; row < cell.columns; row += kLanes) {
      const float s = states[int64_t{row} * cell.channels];
      gradients[row] = deviation * (gradients[row] - mean - s * mean_product);
    }
  });
}

// Node 0, and the highway's part of the gradient of the hidden state that the time began with.
__device__ void leave_first(const Backward& call, int time, int slice) {
  const Cell& cell = call.cell;
  const float* hidden = cell.hidden_before(time);
  for_elements(cell, slice, [&](int row, int channel, int64_t turned) {
    const float* gates = cell.gates(time, -1) + int64_t{row} * 2 * cell.channels + channel;
    const float h = hidden[int64_t{row} * cell.channels + channel], d = call.gradient(0)[turned];
    const float gate = logistic(gates[0]), value = tanhf(gates[cell.channels]);
    call.set_gates(time, -1, row, channel, d * (value - h) * gate * (1 - gate), d * gate * (1 - value * value));
    call.hidden_gradient[turned] = d * (1 - gate);
  });
}

// An edge's element: leaves the gradients of its gates in the place of these, adds its highway's part to that of the
// node it comes from, and what it gives to those of mixing weights to `sums`.
__device__ __forceinline__ void leave_element(const Backward& call, int time, int index, int row, int channel,
                                              int64_t turned, double (&sums)[kRecurrentActivations]) {
  const Cell& cell = call.cell;
  const RecurrentPair& pair = cell.schedule.pair[index];
  const float* gates = cell.gates(time, index) + int64_t{row} * 2 * cell.channels + channel;
  const float s = cell.state(time, pair.from)[int64_t{row} * cell.channels + channel];
  const float d = call.gradient(pair.to)[turned], gate = logistic(gates[0]), g = gates[cell.channels];
  float mixed = 0, slopes = 0, total = 0;
  for_candidates(cell, pair, [&](int k, RecurrentActivation which, float weight) {
    const float value = activation(which, g);
    mixed += weight * value;
    slopes += weight * slope(which, g, value);
    total += weight;
    sums[k] += d * (s + gate * (value - s));
  });
  call.set_gates(time, index, row, channel, d * (mixed - total * s) * gate * (1 - gate), d * gate * slopes);
  call.gradient(pair.from)[turned] += total * d * (1 - gate);
}

// The edges that lead to the nodes of a level. A warp has a part of the elements of those that come from one node: they
// add to the same gradient. A searched cell has one of these a node, whose sums are joined in order.
__device__ void leave_edges(const Backward& call, int time, int level, int slice, const Parts& parts) {
  const Cell& cell = call.cell;
  const Successors& successors = cell.successors;
  const int width = cell.width_of(slice), elements = cell.columns * width;
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  for (int unit = static_cast<int>(threadIdx.x) / kLanes; unit < cell.schedule.nodes * kEdgeParts; unit += kWarps) {
    const int from = unit / kEdgeParts, part = unit % kEdgeParts;
    double sums[kRecurrentActivations] = {};
    bool some = false;
    for (int k = 0; k < successors.count[from]; ++k) {
      const int index = successors.pair[from][k];
      if (successors.level[cell.schedule.pair[index].to] != level) continue;
      some = true;
      for (int item = part * kLanes + lane; item < elements; item += kEdgeParts * kLanes) {
        const int row = item / width, channel = slice * cell.width + item % width;
        leave_element(call, time, index, row, channel, int64_t{channel} * cell.pitch + row, sums);
      }
    }
    if (!some || !call.wants_mixing) continue;
#pragma unroll
    for (int k = 0; k < kRecurrentActivations; ++k) {
      const double sum = warp_sum(sums[k]);
      if (lane == 0) parts.edges[unit * kRecurrentActivations + k] = sum;
    }
  }
  if (!call.wants_mixing) return;
  __syncthreads();
  // Node `level` alone, which every earlier one leads to.
  const int first = cell.schedule.first_pair[level], candidates = cell.candidate_count;
  double* mixing = call.mixing + slice * call.mixing_entries();
  for_block(level * candidates, [&](int item) {
    const int from = item / candidates, k = item % candidates;
    double sum = time == cell.times - 1 ? 0 : mixing[(first + from) * candidates + k];
    for (int part = 0; part < kEdgeParts; ++part) {
      sum += parts.edges[(from * kEdgeParts + part) * kRecurrentActivations + k];
    }
    mixing[(first + from) * candidates + k] = sum;
  });
}

__device__ void run_step(const Backward& call, int step, int slice, const Parts& parts) {
  const Cell& cell = call.cell;
  const int a_time = cell.schedule.stages + 1, time = cell.times - 1 - step / a_time;
  const int level = cell.schedule.stages - step % a_time;
  // Nothing leads on from the nodes of the last level, so that no product adds to what it leaves before the barrier.
  if (level == cell.schedule.stages) begin_time(call, time, slice, parts);
  for (int node = 0; node <= cell.schedule.nodes; ++node) {
    const int count = cell.successors.count[node];
    if (cell.successors.level[node] != level || count == 0) continue;
    add_product(call, cell.successors.pair[node], count, slice, parts, call.gradient(node));
  }
  __syncthreads();
  if (cell.searched) {
    denormalise(call, time, level, slice);
    __syncthreads();
  }
  if (level == 0) return leave_first(call, time, slice);
  leave_edges(call, time, level, slice, parts);
}

__global__ void __launch_bounds__(kThreads, 1) backward_kernel(DARTSMITH_ARGUMENT(Backward) call, int begin, int end) {
  begin_kernel();
  Shared shared(shared_memory());
  const Parts parts(shared, call.cell, call.packing, call.at_once);
  bring_resident(call.cell, call.packing, parts);
  run_steps(call.cell, begin, end, [&](int step, int slice) { run_step(call, step, slice, parts); });
}

// --- All times at once

// Sums of a slice after the other.
__global__ void __launch_bounds__(kThreads)
    mixing_kernel(const double* mixing, int slices, int64_t entries, double* target) {
  begin_kernel();
  for_grid(entries, [&](Index entry) {
    double sum = target[entry];
    for (int slice = 0; slice < slices; ++slice) sum += mixing[slice * entries + entry];
    target[entry] = sum;
  });
}

__global__ void __launch_bounds__(kThreads)
    input_gradient_kernel(DARTSMITH_ARGUMENT(Cell) cell, float* target, bool accumulate) {
  begin_kernel();
  Shared shared(shared_memory());
  const DenseParts parts(shared);
  const int64_t rows = int64_t{cell.times} * cell.columns, depth = 2 * int64_t{cell.channels};
  const dense::Tiling tiling(rows, cell.channels);
  for_tasks(tiling.tasks, [&](Index task) {
    const int64_t first = tiling.row(task), first_channel = tiling.column(task);
    const dense::Source left{dense::weights_view(cell.saved), [&](int row, Index k) -> int64_t {
                               const Index sample = static_cast<Index>(first) + row;
                               if (sample >= rows) return -1;
                               return cell.layout.gates(sample / cell.columns, 0) + sample % cell.columns * depth + k;
                             }};
    const dense::Source right{
        dense::weights_view(cell.weight + cell.weights.of_input()), [&](int column, Index k) -> int64_t {
          return first_channel + column < cell.channels ? (first_channel + column) * depth + k : -1;
        }};
    dense::multiply_long<dense::Along::kInner, dense::Along::kInner>(
        depth, parts, rows - first, cell.channels - first_channel, left, right,
        [&](int row, int column, float value, bool begins) {
          const int64_t sample = first + row, channel = first_channel + column;
          if (cell.input_mask != nullptr) value *= cell.input_mask[sample % cell.columns * cell.channels + channel];
          float& to = target[sample * cell.channels + channel];
          to = begins && !accumulate ? value : to + value;
        });
  });
}

// Adds to a tile of a weight gradient, or begins it: `samples` of left(k) and right(k), which give where a sample's
// channels and gates begin, and mask(k) of the column of the batch that it is of.
template <typename LeftOf, typename ColumnOf, typename RightOf>
__device__ void correlate(const Cell& cell, const DenseParts& parts, int64_t first, int64_t first_column,
                          int64_t samples, const float* left, const float* mask, const LeftOf& left_of,
                          const ColumnOf& column_of, const RightOf& right_of, bool adds, float* target) {
  const int64_t columns = 2 * int64_t{cell.channels};
  const dense::MaskedSource factors{
      dense::weights_view(left),
      [&](int row, Index k) -> int64_t { return first + row < cell.channels ? left_of(k) + first + row : -1; }, mask,
      [&](int row, Index k) { return int64_t{column_of(k)} * cell.channels + first + row; }};
  const dense::Source gates{dense::weights_view(cell.saved), [&](int column, Index k) -> int64_t {
                              return first_column + column < columns ? right_of(k) + first_column + column : -1;
                            }};
  dense::multiply_long<dense::Along::kPlace>(samples, parts, cell.channels - first, columns - first_column, factors,
                                             gates, [&](int row, int column, float value, bool begins) {
                                               float& to = target[(first + row) * columns + first_column + column];
                                               to = begins && !adds ? value : to + value;
                                             });
}

// Matrices that sum over more pairs come first; behind those of the nodes the rows of h, then those of x.
__global__ void __launch_bounds__(kThreads, 1)
    weight_gradient_kernel(DARTSMITH_ARGUMENT(Cell) cell, float* weight_gradient) {
  begin_kernel();
  Shared shared(shared_memory());
  const DenseParts parts(shared);
  const RecurrentSchedule& schedule = cell.schedule;
  const RecurrentSaved& layout = cell.layout;
  const Index batch = static_cast<Index>(cell.columns);
  const int64_t gates_size = 2 * int64_t{cell.channels};
  const dense::Tiling tiling(cell.channels, gates_size);
  for_tasks((schedule.nodes + 2) * tiling.tasks, [&](Index task) {
    const int node = schedule.nodes - static_cast<int>(task / static_cast<Index>(tiling.tasks));
    const Index tile = task % static_cast<Index>(tiling.tasks);
    const int64_t first = tiling.row(tile), first_column = tiling.column(tile);
    const auto column_of = [&](Index k) { return k % batch; };
    const auto gates_of_first = [&](Index k) { return layout.gates(k / batch, 0) + k % batch * gates_size; };
    const auto row_of = [&](Index k) { return int64_t{k} * cell.channels; };
    if (node > 0) {
      const Index begin = static_cast<Index>(schedule.first_pair[node]);
      const Index pairs = static_cast<Index>(schedule.first_pair[node + 1]) - begin;
      const auto state_of = [&](Index k) {
        const Index of = k / batch;
        return layout.state(of / pairs, schedule.pair[begin + of % pairs].from) + int64_t{k % batch} * cell.channels;
      };
      const auto gates_of = [&](Index k) {
        const Index of = k / batch;
        return layout.gates(of / pairs, 1 + begin + of % pairs) + k % batch * gates_size;
      };
      correlate(cell, parts, first, first_column, int64_t{cell.times} * pairs * batch, cell.saved, cell.hidden_mask,
                state_of, column_of, gates_of, false, weight_gradient + cell.weights.of_node(node));
    } else if (node == 0) {
      float* target = weight_gradient + cell.weights.of_hidden();
      correlate(cell, parts, first, first_column, batch, cell.saved + layout.hidden(), cell.hidden_mask, row_of,
                column_of, gates_of_first, false, target);
      correlate(
          cell, parts, first, first_column, int64_t{cell.times - 1} * batch, cell.output, cell.hidden_mask, row_of,
          column_of, [&](Index k) { return gates_of_first(k + batch); }, true, target);
    } else {
      correlate(cell, parts, first, first_column, int64_t{cell.times} * batch, cell.inputs, cell.input_mask, row_of,
                column_of, gates_of_first, false, weight_gradient + cell.weights.of_input());
    }
  });
}

}  // namespace

void backward(Stream& stream, const KernelCall& call) {
  const Backward backward(call);
  const Cell& cell = backward.cell;
  CudaStream& own = CudaStream::of(stream);
  launch(own, pack_backward_kernel, a_thread_each(backward.packing.all(cell)), backward);
  launch_steps(own, backward_kernel, backward);
  if (backward.wants_mixing) {
    launch(own, mixing_kernel, a_thread_each(backward.mixing_entries()), backward.mixing, cell.slices,
           backward.mixing_entries(), call.sequence->mixing_gradient);
  }
  const auto [target, mode, precision] = call.input_gradients[0];
  if (mode != GradientMode::kIgnore) {
    launch(own, input_gradient_kernel,
           {dense::Tiling(call.output.batch, cell.channels).tasks, shared_bytes<DenseParts>()}, cell, target,
           mode == GradientMode::kAccumulate);
  }
  if (call.weight_gradient != nullptr) {
    const int64_t tiles = dense::Tiling(cell.channels, 2 * int64_t{cell.channels}).tasks;
    launch(own, weight_gradient_kernel, {(cell.schedule.nodes + 2) * tiles, shared_bytes<DenseParts>()}, cell,
           call.weight_gradient);
  }
}

size_t backward_bytes(const KernelCall& call) {
  return Backward(call).workspace_bytes();
}

}  // namespace dartsmith::cuda::recurrent
