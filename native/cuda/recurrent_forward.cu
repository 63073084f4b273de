// recurrentCell, forward: x times W0 for all times at once, then time by time the stages of the schedule.
#include "cuda/dense.cuh"
#include "cuda/recurrent.cuh"

namespace dartsmith::cuda::recurrent {
namespace {

using DenseParts = dense::Parts<Precision::kFp32>;

struct Forward {
  Cell cell;
  Packing packing;
  int at_once;     // matrices of one product at most
  float* factors;  // [nodes + 2, channels, pitch]: states as products take them, and the hidden state

  explicit Forward(const KernelCall& call) : cell(call), packing(Packing::forward(cell)), at_once(1) {
    for (int node = 0; node <= cell.schedule.nodes; ++node) {
      at_once = static_cast<int>(larger(at_once, cell.successors.count[node]));
    }
    factors = cell.packed + packing.all(cell);
  }
  int64_t workspace_elements() const { return packing.all(cell) + (cell.schedule.nodes + 2) * cell.turned_size(); }
  __device__ float* factor(int node) const { return factors + node * cell.turned_size(); }
  __device__ float* hidden_factor() const { return factor(cell.schedule.nodes + 1); }
  __device__ void set_state(int time, int node, int row, int channel, float value) const {
    cell.state(time, node)[int64_t{row} * cell.channels + channel] = value;
    factor(node)[int64_t{channel} * cell.pitch + row] = value * cell.hidden_factor(row, channel);
  }
};

// Packs the matrices, and lays the first hidden state ready.
__global__ void __launch_bounds__(kThreads) pack_forward_kernel(DARTSMITH_ARGUMENT(Forward) call) {
  begin_kernel();
  const Cell& cell = call.cell;
  const Packing packing = call.packing;
  for_grid(packing.all(cell), [&](Index item) {
    const int within = static_cast<int>(item % packing.elements()), k = within / packing.columns;
    const Index of = item / packing.elements();
    const int slice = static_cast<int>(of / cell.matrices()), matrix = static_cast<int>(of % cell.matrices());
    const int column = within % packing.columns, channel = slice * cell.width + column / 2;
    const bool some = k < cell.channels && channel < cell.channels;
    const int64_t from = int64_t{k} * 2 * cell.channels + column % 2 * cell.channels + channel;
    cell.packed[item] = some ? cell.weight[cell.weights_of(matrix) + from] : 0;
  });
  for_grid(cell.state_size(), [&](Index item) {
    const int row = static_cast<int>(item) / cell.channels, channel = static_cast<int>(item) % cell.channels;
    const float value = cell.hidden == nullptr ? 0 : cell.hidden[item];
    cell.saved[cell.layout.hidden() + item] = value;
    call.hidden_factor()[int64_t{channel} * cell.pitch + row] = value * cell.hidden_factor(row, channel);
  });
}

// The part of node 0's gates that is known before any state is.
__global__ void __launch_bounds__(kThreads) input_product_kernel(DARTSMITH_ARGUMENT(Cell) cell) {
  begin_kernel();
  Shared shared(shared_memory());
  const DenseParts parts(shared);
  const int64_t rows = int64_t{cell.times} * cell.columns, columns = 2 * int64_t{cell.channels};
  const dense::Tiling tiling(rows, columns);
  for_tasks(tiling.tasks, [&](Index task) {
    const int64_t first = tiling.row(task), first_column = tiling.column(task);
    const dense::MaskedSource left{
        dense::weights_view(cell.inputs),
        [&](int row, Index k) -> int64_t { return first + row < rows ? (first + row) * cell.channels + k : -1; },
        cell.input_mask, [&](int row, Index k) { return (first + row) % cell.columns * cell.channels + k; }};
    const dense::Source right{dense::weights_view(cell.weight + cell.weights.of_input()),
                              [&](int column, Index k) -> int64_t {
                                return first_column + column < columns ? k * columns + first_column + column : -1;
                              }};
    dense::multiply_long(cell.channels, parts, rows - first, columns - first_column, left, right,
                         [&](int row, int column, float value, bool begins) {
                           const Index sample = static_cast<Index>(first + row);
                           const int time = static_cast<int>(sample / cell.columns);
                           float& gate = cell.gates(time, -1)[sample % cell.columns * columns + first_column + column];
                           gate = begins ? value : gate + value;
                         });
  });
}

// --- Steps of a slice; all threads of a block together

// A node whose sum lies in its factors.
__device__ void normalise(const Forward& call, int time, int node, int slice) {
  const Cell& cell = call.cell;
  for_channels(cell, slice, [&](int channel) {
    const float* sums = call.factor(node) + int64_t{channel} * cell.pitch;
    const int lane = static_cast<int>(threadIdx.x) % kLanes;
    const double count = cell.columns;
    double mean = 0, variance = 0;
    if (cell.norm.statistics == Statistics::kRunning) {
      mean = cell.norm.running_mean[channel];
      variance = cell.norm.running_variance[channel];
    } else {
      for (int row = lane; row < cell.columns; row += kLanes) mean += sums[row];
      mean = warp_sum(mean) / count;
      for (int row = lane; row < cell.columns; row += kLanes) variance += (sums[row] - mean) * (sums[row] - mean);
      variance = warp_sum(variance) / count;
    }
    if (cell.norm.statistics == Statistics::kBatchUpdating && lane == 0) {
      const float momentum = cell.norm.attributes.momentum;
      float& running_mean = cell.norm.running_mean[channel];
      float& running_variance = cell.norm.running_variance[channel];
      running_mean = (1 - momentum) * running_mean + momentum * static_cast<float>(mean);
      running_variance =
          (1 - momentum) * running_variance + momentum * static_cast<float>(variance * count / (count - 1));
    }
    const float deviation = static_cast<float>(1 / sqrt(variance + cell.norm.attributes.epsilon));
    const float middle = static_cast<float>(mean);
    if (lane == 0) cell.deviation(time, node)[channel] = deviation;
    for (int row = lane; row < cell.columns; row += kLanes) {
      call.set_state(time, node, row, channel, (sums[row] - middle) * deviation);
    }
  });
}

// Calls body(row, a, g) for the columns of the batch that an item has.
template <typename Body>
__device__ __forceinline__ void for_rows(const Cell& cell, const Item& item, Sums sums, const Body& body) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (4 * item.group + i < cell.columns) body(4 * item.group + i, at(sums.first, i), at(sums.second, i));
  }
}

__device__ void compute_first(const Forward& call, int time, int slice, const Parts& parts) {
  const Cell& cell = call.cell;
  const float* hidden = cell.hidden_before(time);
  const auto left = [&](int) { return call.hidden_factor(); };
  const auto matrix = [](int, int) { return 0; };
  Product(call, parts, slice, 1, 1, left, matrix).compute([&](const Item& item, const Sums& sums) {
    const int channel = slice * cell.width + item.pair;
    if (channel >= cell.channels) return;
    for_rows(cell, item, sums, [&](int row, float a, float g) {
      float* gates = cell.gates(time, -1) + int64_t{row} * 2 * cell.channels + channel;
      a += gates[0];
      g += gates[cell.channels];
      gates[0] = a;
      gates[cell.channels] = g;
      const float h = hidden[int64_t{row} * cell.channels + channel];
      const float value = h + logistic(a) * (tanhf(g) - h);
      if (cell.searched) {
        call.factor(0)[int64_t{channel} * cell.pitch + row] = value;
      } else {
        call.set_state(time, 0, row, channel, value);
      }
    });
  });
  if (!cell.searched) return;
  __syncthreads();
  normalise(call, time, 0, slice);
}

// What leads on from a node: one product with the matrices of all that it leads to.
__device__ void compute_edges(const Forward& call, int time, int from, int slice, const Parts& parts) {
  const Cell& cell = call.cell;
  const RecurrentSchedule& schedule = cell.schedule;
  const int16_t* pairs = cell.successors.pair[from];
  const auto left = [&](int) { return call.factor(from); };
  const auto matrix = [&](int, int output) { return schedule.pair[pairs[output]].to; };
  const int count = cell.successors.count[from];
  Product(call, parts, slice, 1, count, left, matrix).compute([&](const Item& item, const Sums& sums) {
    const int channel = slice * cell.width + item.pair, index = pairs[item.output];
    if (channel >= cell.channels) return;
    const RecurrentPair& pair = schedule.pair[index];
    for_rows(cell, item, sums, [&](int row, float a, float g) {
      float* gates = cell.gates(time, index) + int64_t{row} * 2 * cell.channels + channel;
      gates[0] = a;
      gates[cell.channels] = g;
      const float s = cell.state(time, from)[int64_t{row} * cell.channels + channel];
      float mixed = 0, total = 0;
      for_candidates(cell, pair, [&](int, RecurrentActivation which, float weight) {
        mixed += weight * activation(which, g);
        total += weight;
      });
      const float value = total * s + logistic(a) * (mixed - total * s);
      if (cell.searched) {
        float& sum = call.factor(pair.to)[int64_t{channel} * cell.pitch + row];
        sum = index > schedule.first_pair[pair.to] ? sum + value : value;
      } else {
        call.set_state(time, pair.to, row, channel, value);
      }
    });
  });
}

__device__ void take_outputs(const Forward& call, int time, int slice) {
  const Cell& cell = call.cell;
  const float share = 1.0f / static_cast<float>(cell.output_count);
  for_elements(cell, slice, [&](int row, int channel, int64_t turned) {
    const int64_t place = int64_t{row} * cell.channels + channel;
    float sum = 0;
    for (int k = 0; k < cell.output_count; ++k) sum += cell.state(time, cell.outputs[k])[place];
    cell.output[time * cell.state_size() + place] = sum * share;
    call.hidden_factor()[turned] = sum * share * cell.hidden_factor(row, channel);
  });
}

__device__ void run_step(const Forward& call, int step, int slice, const Parts& parts) {
  const Cell& cell = call.cell;
  const int a_time = cell.schedule.stages + 1, time = step / a_time, stage = step % a_time - 1;
  if (stage < 0) return compute_first(call, time, slice, parts);
  for (int node = 0; node <= cell.schedule.nodes; ++node) {
    if (cell.successors.level[node] != stage || cell.successors.count[node] == 0) continue;
    compute_edges(call, time, node, slice, parts);
  }
  if (cell.searched) {
    __syncthreads();
    normalise(call, time, stage + 1, slice);
  }
  if (stage + 1 < cell.schedule.stages) return;
  __syncthreads();
  take_outputs(call, time, slice);
}

__global__ void __launch_bounds__(kThreads, 1) forward_kernel(DARTSMITH_ARGUMENT(Forward) call, int begin, int end) {
  begin_kernel();
  Shared shared(shared_memory());
  const Parts parts(shared, call.cell, call.packing, call.at_once);
  bring_resident(call.cell, call.packing, parts);
  run_steps(call.cell, begin, end, [&](int step, int slice) { run_step(call, step, slice, parts); });
}

}  // namespace

void forward(Stream& stream, const KernelCall& call) {
  const Forward forward(call);
  const Cell& cell = forward.cell;
  CudaStream& own = CudaStream::of(stream);
  launch(own, pack_forward_kernel, a_thread_each(larger(forward.packing.all(cell), cell.state_size())), forward);
  launch(own, input_product_kernel,
         {dense::Tiling(call.output.batch, 2 * int64_t{cell.channels}).tasks, shared_bytes<DenseParts>()}, cell);
  launch_steps(own, forward_kernel, forward);
}

size_t forward_bytes(const KernelCall& call) {
  return static_cast<size_t>(Forward(call).workspace_elements()) * sizeof(float);
}

}  // namespace dartsmith::cuda::recurrent
