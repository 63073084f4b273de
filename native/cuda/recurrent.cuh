// What both directions of a recurrent cell share on a GPU. A block owns a slice of channels for all columns, so that
// batch statistics, what flows back through them and the gradients of mixing weights stay with it: of others it needs
// states alone, or in backward gradients of gates. A pass is a row of steps; between two of them the whole grid waits,
// or they are launches of their own: the same device code (run_steps).
#pragma once
#include "cuda/copies.cuh"
#include "cuda/grid.cuh"
#include "cuda/launch.h"
#include "cuda/recurrent.h"
#include "cuda/task.cuh"
#include "engine/recurrent.h"

namespace dartsmith::cuda::recurrent {

inline constexpr int kMostWidth = 8;     // channels of a slice
inline constexpr int kSlices = 128;      // wanted, about as many as a large GPU has multiprocessors
inline constexpr int kRowGroups = 64;    // of four columns of the batch each, that a product takes at once
inline constexpr int kShortestRun = 16;  // of a product's inner dimension, between two barriers
inline constexpr int kLongestRun = 64;
inline constexpr int kMostItems = 4;  // of a thread in a product
inline constexpr int kMostCuts = 8;   // into which a product's inner dimension is cut
inline constexpr int kEdgeParts = 8;  // into which an edge's elements are dealt
inline constexpr int kStates = kMostRecurrentNodes + 1;

// The pairs that lead on from a node, and the level that it is computed at: those of a level come from lower ones.
struct Successors {
  int16_t level[kStates] = {};
  int16_t count[kStates] = {};
  int16_t pair[kStates][kMostRecurrentNodes] = {};

  explicit Successors(const RecurrentSchedule& schedule) {
    for (int node = 1; node <= schedule.nodes; ++node) {
      level[node] = static_cast<int16_t>(schedule.stage_of[schedule.first_pair[node + 1] - 1] + 1);
    }
    for (int p = 0; p < schedule.pairs; ++p) {
      const int from = schedule.pair[p].from;
      pair[from][count[from]++] = static_cast<int16_t>(p);
    }
  }
};

// As the kernels take it. Buffers of the workspace hold a channel's columns side by side: [channels, pitch].
struct Cell {
  RecurrentSchedule schedule;
  Successors successors;
  RecurrentSaved layout;
  RecurrentWeights weights;
  RecurrentActivation candidates[kRecurrentActivations];
  int outputs[kMostRecurrentNodes];
  int candidate_count, output_count;
  int channels, columns, times;
  int pitch;  // columns rounded up to fours
  int width;  // channels of a slice
  int slices;
  int resident = 0;  // matrices of a slice that stay in shared memory, where a block has one slice
  bool searched;
  float* saved;
  const float* inputs;
  float* output;
  const float* input_mask;  // [columns, channels]; null for none
  const float* hidden_mask;
  const float* hidden;  // the first one; null for zeros
  const float* mixing;  // [pairs, candidates]
  const float* weight;
  NormCall norm;
  float* packed;  // the slices' matrices: see Packing

  explicit Cell(const KernelCall& call)
      : schedule(attributes_of<RecurrentCellAttributes>(call)),
        successors(schedule),
        layout(recurrent_saved(attributes_of<RecurrentCellAttributes>(call), call.output.channels, call.output.batch,
                               call.sequence->columns)),
        weights{call.output.channels},
        channels(static_cast<int>(call.output.channels)),
        columns(static_cast<int>(call.sequence->columns)),
        times(static_cast<int>(call.output.batch / call.sequence->columns)),
        pitch(static_cast<int>(round_up(columns, 4))),
        width(static_cast<int>(smaller(divide_up(channels, kSlices), kMostWidth))),
        slices(static_cast<int>(divide_up(channels, width))),
        saved(call.saved),
        inputs(call.inputs[0].data),
        output(call.output.data),
        input_mask(call.sequence->masks[0]),
        hidden_mask(call.sequence->masks[1]),
        hidden(call.sequence->hidden),
        mixing(call.sequence->mixing),
        weight(call.weight),
        packed(static_cast<float*>(call.workspace)) {
    const auto& attributes = attributes_of<RecurrentCellAttributes>(call);
    candidate_count = attributes.candidate_count;
    output_count = attributes.output_count;
    searched = candidate_count > 0;
    for (int i = 0; i < candidate_count; ++i) candidates[i] = attributes.candidates[i];
    for (int i = 0; i < output_count; ++i) outputs[i] = attributes.outputs[i];
    if (call.norm != nullptr) norm = *call.norm;
  }

  __host__ __device__ int64_t state_size() const { return int64_t{columns} * channels; }
  __host__ __device__ int64_t turned_size() const { return int64_t{channels} * pitch; }
  __host__ __device__ int matrices() const { return 1 + schedule.nodes; }
  __host__ __device__ int steps() const { return times * (schedule.stages + 1); }
  __device__ float* state(int time, int node) const { return saved + layout.state(time, node); }
  __device__ float* deviation(int time, int node) const { return saved + layout.deviation(time, node); }
  // Of a pair of the schedule; of node 0 for -1.
  __device__ float* gates(int time, int pair) const { return saved + layout.gates(time, pair + 1); }
  // The hidden state that a time begins with.
  __device__ const float* hidden_before(int time) const {
    return time == 0 ? saved + layout.hidden() : output + (time - 1) * state_size();
  }
  __device__ float hidden_factor(int row, int channel) const {
    return hidden_mask == nullptr ? 1 : hidden_mask[int64_t{row} * channels + channel];
  }
  // Where the rows of h (0) and those of a node lie in the weights.
  __host__ __device__ int64_t weights_of(int matrix) const {
    return matrix == 0 ? weights.of_hidden() : weights.of_node(matrix);
  }
  // Channels of a slice.
  __device__ int width_of(int slice) const { return static_cast<int>(smaller(width, channels - slice * width)); }
};

// A matrix of a slice as products take it: [inner, columns], `columns` even.
struct Packing {
  int inner, columns;
  int run = kShortestRun;  // how much of `inner` a product takes at once; sums do not depend on it

  static Packing forward(const Cell& cell) { return {cell.channels, 2 * cell.width}; }
  static Packing backward(const Cell& cell) { return {2 * cell.channels, static_cast<int>(round_up(cell.width, 2))}; }
  __host__ __device__ int elements() const { return static_cast<int>(round_up(int64_t{inner} * columns, 4)); }
  __host__ __device__ int64_t all(const Cell& cell) const {
    return int64_t{cell.slices} * cell.matrices() * elements();
  }
  __host__ __device__ int64_t at(const Cell& cell, int slice, int matrix) const {
    return (int64_t{slice} * cell.matrices() + matrix) * elements();
  }
};

// A block's shared memory.
struct Parts {
  float* left;       // [2, run, pitch, at most kRowGroups fours]
  float* right;      // [2, matrices at once, run, columns]
  float4* partials;  // [2, kThreads]
  double* edges;     // [sources, kEdgeParts, candidates]
  float* resident;   // [resident, elements]

  __host__ __device__ Parts(Shared& shared, const Cell& cell, const Packing& packing, int at_once)
      : left(shared.take<float>(int64_t{2} * left_elements(cell, packing))),
        right(shared.take<float>(int64_t{2} * at_once * packing.run * packing.columns)),
        partials(shared.take<float4>(2 * kThreads)),
        edges(shared.take<double>(kStates * kEdgeParts * kRecurrentActivations)),
        resident(shared.take<float>(int64_t{cell.resident} * packing.elements())) {}
  __host__ __device__ static int left_elements(const Cell& cell, const Packing& packing) {
    return packing.run * static_cast<int>(smaller(cell.pitch, 4 * kRowGroups));
  }
};

// --- Products

// Sums of four columns of the batch by two of a matrix.
struct Sums {
  float4 first, second;
};

// Which sums a thread has: of which output, which two columns of its matrix, which four columns of the batch.
struct Item {
  int output, pair, group;
};

// The sum over segments of left(segment) [inner, pitch], transposed, times a slice's matrix(segment, output)
// [inner, columns], for every output. The inner dimension is cut into as many parts as the block has threads for, which
// are added up in order: how many follows from the sizes alone. All threads of a block together.
template <typename Call, typename Left, typename Matrix>
class Product {
 public:
  __device__ Product(const Call& call, const Parts& parts, int slice, int segments, int outputs, const Left& left,
                     const Matrix& matrix)
      : call_(call),
        parts_(parts),
        left_(left),
        matrix_(matrix),
        slice_(slice),
        outputs_(outputs),
        runs_a_segment_(static_cast<int>(divide_up(call.packing.inner, call.packing.run))),
        runs_(segments * runs_a_segment_),
        resident_(gridDim.x >= static_cast<unsigned>(call.cell.slices) ? call.cell.resident : 0) {}

  // finish(item, sums) for all items.
  template <typename Finish>
  __device__ __forceinline__ void compute(const Finish& finish) {
    const int all_groups = call_.cell.pitch / 4;
    for (first_group_ = 0; first_group_ < all_groups; first_group_ += kRowGroups) {
      groups_ = static_cast<int>(smaller(kRowGroups, all_groups - first_group_));
      const int items = groups_ * (call_.packing.columns / 2) * outputs_;
      for (int begin = 0; begin < items; begin += kMostItems * kThreads) {
        deal(begin, static_cast<int>(smaller(items - begin, kMostItems * kThreads)));
        add_runs();
        join_cuts();
        hand_over(finish);
      }
    }
  }

 private:
  // Items [begin, begin + count) to the threads: each to `cuts_` of them.
  __device__ __forceinline__ void deal(int begin, int count) {
    count_ = count;
    cuts_ = 1;
    while (cuts_ < kMostCuts && 2 * cuts_ * count <= kThreads) cuts_ *= 2;
    slots_ = kThreads / cuts_;
    const int thread = static_cast<int>(threadIdx.x), pairs = call_.packing.columns / 2;
    cut_ = thread / slots_;
    slot_ = thread % slots_;
#pragma unroll
    for (int i = 0; i < kMostItems; ++i) {
      const int item = begin + slot_ + i * slots_, rest = item / groups_;
      items_[i] = {rest / pairs, rest % pairs, item % groups_};
      sums_[i] = {splat(0), splat(0)};
    }
  }

  // While a run is multiplied, the next one is on its way.
  __device__ __forceinline__ void add_runs() {
    bring(0);
    for (int run = 0; run < runs_; ++run) {
      if (run + 1 < runs_) {
        bring(run + 1);
        wait_for_copies<1>();
      } else {
        wait_for_copies<0>();
      }
      __syncthreads();
      add(run);
      __syncthreads();
    }
  }

  __device__ __forceinline__ int inner_of(int run) const {
    return run % runs_a_segment_ * call_.packing.run;
  }
  __device__ __forceinline__ int depth_of(int run) const {
    return static_cast<int>(smaller(call_.packing.run, call_.packing.inner - inner_of(run)));
  }
  // Where a run's factors lie in shared memory, the right one of an output.
  __device__ __forceinline__ float* left_of(int run) const {
    return parts_.left + run % 2 * Parts::left_elements(call_.cell, call_.packing);
  }
  __device__ __forceinline__ float* right_of(int run, int output) const {
    return parts_.right + (run % 2 * call_.at_once + output) * call_.packing.run * call_.packing.columns;
  }

  __device__ __forceinline__ void bring(int run) const {
    const Cell& cell = call_.cell;
    const Packing& packing = call_.packing;
    const int segment = run / runs_a_segment_, inner = inner_of(run), depth = depth_of(run), groups = groups_;
    float* to = left_of(run);
    const float* from = left_(segment) + int64_t{inner} * cell.pitch + 4 * first_group_;
    for_block(depth * groups, [&](int item) {
      copy_later(to + 4 * item, from + int64_t{item / groups} * cell.pitch + 4 * (item % groups));
    });
    for (int output = 0; output < outputs_; ++output) {
      const int matrix = matrix_(segment, output);
      if (matrix < resident_) continue;
      const float* source = cell.packed + packing.at(cell, slice_, matrix) + inner * packing.columns;
      float* target = right_of(run, output);
      for_block(static_cast<int>(divide_up(depth * packing.columns, 4)),
                [&](int item) { copy_later(target + 4 * item, source + 4 * item); });
    }
    commit_copies();
  }

  __device__ __forceinline__ void add(int run) {
    const Packing& packing = call_.packing;
    const int segment = run / runs_a_segment_, inner = inner_of(run), depth = depth_of(run);
    const float* left = left_of(run);
#pragma unroll
    for (int i = 0; i < kMostItems; ++i) {
      if (slot_ + i * slots_ >= count_) break;
      const auto [output, pair, group] = items_[i];
      const int matrix = matrix_(segment, output);
      const float* right = matrix < resident_ ? parts_.resident + matrix * packing.elements() + inner * packing.columns
                                              : right_of(run, output);
#pragma unroll 4
      for (int k = cut_; k < depth; k += cuts_) {
        const float4 a = *reinterpret_cast<const float4*>(left + 4 * (k * groups_ + group));
        const float2 b = *reinterpret_cast<const float2*>(right + k * packing.columns + 2 * pair);
        sums_[i].first = fused(a, splat(b.x), sums_[i].first);
        sums_[i].second = fused(a, splat(b.y), sums_[i].second);
      }
    }
  }

  // In the threads of the first cut. Where there are several, a thread has one item at most.
  __device__ __forceinline__ void join_cuts() {
    if (cuts_ == 1) return;
    parts_.partials[threadIdx.x] = sums_[0].first;
    parts_.partials[kThreads + threadIdx.x] = sums_[0].second;
    __syncthreads();
    for (int other = 1; cut_ == 0 && other < cuts_; ++other) {
      sums_[0].first = sums_[0].first + parts_.partials[other * slots_ + slot_];
      sums_[0].second = sums_[0].second + parts_.partials[kThreads + other * slots_ + slot_];
    }
  }

  template <typename Finish>
  __device__ __forceinline__ void hand_over(const Finish& finish) const {
#pragma unroll
    for (int i = 0; i < kMostItems; ++i) {
      if (cut_ != 0 || slot_ + i * slots_ >= count_) break;
      finish(Item{items_[i].output, items_[i].pair, first_group_ + items_[i].group}, sums_[i]);
    }
  }

  const Call& call_;
  const Parts& parts_;
  const Left& left_;
  const Matrix& matrix_;
  const int slice_, outputs_, runs_a_segment_, runs_;
  const int resident_;                // matrices that lie in shared memory
  int first_group_ = 0, groups_ = 0;  // of four columns of the batch: those of this turn
  int count_ = 0, cuts_ = 1, slots_ = 1, cut_ = 0, slot_ = 0;
  Item items_[kMostItems];
  Sums sums_[kMostItems];
};

// --- Edges

__device__ __forceinline__ float logistic(float x) {
  return 1 / (1 + expf(-x));
}

__device__ __forceinline__ float activation(RecurrentActivation which, float g) {
  switch (which) {
    case RecurrentActivation::kTanh:
      return tanhf(g);
    case RecurrentActivation::kRelu:
      return relu(g);
    case RecurrentActivation::kSigmoid:
      return logistic(g);
    case RecurrentActivation::kIdentity:
      return g;
    case RecurrentActivation::kNone:
      break;
  }
  return 0;
}

// Of an activation by g, where `value` is what it gave.
__device__ __forceinline__ float slope(RecurrentActivation which, float g, float value) {
  switch (which) {
    case RecurrentActivation::kTanh:
      return 1 - value * value;
    case RecurrentActivation::kRelu:
      return g > 0 ? 1 : 0;
    case RecurrentActivation::kSigmoid:
      return value * (1 - value);
    case RecurrentActivation::kIdentity:
      return 1;
    case RecurrentActivation::kNone:
      break;
  }
  return 0;
}

// Calls body(candidate, activation, weight) for what an edge mixes; a derived one has one activation, of weight 1.
template <typename Body>
__device__ __forceinline__ void for_candidates(const Cell& cell, const RecurrentPair& pair, const Body& body) {
  if (!cell.searched) {
    if (pair.activation != RecurrentActivation::kNone) body(0, pair.activation, 1.0f);
    return;
  }
#pragma unroll
  for (int k = 0; k < kRecurrentActivations; ++k) {
    if (k >= cell.candidate_count || cell.candidates[k] == RecurrentActivation::kNone) continue;
    body(k, cell.candidates[k], cell.mixing[pair.row * cell.candidate_count + k]);
  }
}

// Calls body(row, channel, offset) for this block's elements of a slice: the channel, and the element's place in a
// buffer [channels, pitch].
template <typename Body>
__device__ __forceinline__ void for_elements(const Cell& cell, int slice, const Body& body) {
  const int width = cell.width_of(slice);
  for_block(cell.columns * width, [&](int item) {
    const int row = item / width, channel = slice * cell.width + item % width;
    body(row, channel, int64_t{channel} * cell.pitch + row);
  });
}

// Calls body(channel) for a slice's channels, a warp each.
template <typename Body>
__device__ __forceinline__ void for_channels(const Cell& cell, int slice, const Body& body) {
  const int width = cell.width_of(slice);
  for (int c = static_cast<int>(threadIdx.x) / kLanes; c < width; c += kWarps) body(slice * cell.width + c);
}

// --- Kernels

// Bit by bit the same: steps [begin, end) with the grid waiting in between, or launches of one step each.
template <typename Step>
__device__ __forceinline__ void run_steps(const Cell& cell, int begin, int end, const Step& step) {
  for (int s = begin; s < end; ++s) {
    if (s > begin) wait_for_grid();
    for_tasks(cell.slices, [&](Index slice) { step(s, static_cast<int>(slice)); });
  }
}

// The matrices that stay in a block's shared memory, where it has one slice alone.
__device__ __forceinline__ void bring_resident(const Cell& cell, const Packing& packing, const Parts& parts) {
  if (gridDim.x < static_cast<unsigned>(cell.slices)) return;
  const float* from = cell.packed + packing.at(cell, static_cast<int>(blockIdx.x), 0);
  for_block(cell.resident * packing.elements(), [&](int i) { parts.resident[i] = from[i]; });
  __syncthreads();
}

// The longest runs that half of a block's shared memory holds, and as many matrices beside them as fit where every
// slice has a multiprocessor.
template <typename Call>
void share_out_memory(const CudaStream& stream, Call& call) {
  const auto bytes = [&] { return shared_bytes<Parts>(call.cell, call.packing, call.at_once); };
  const auto most = static_cast<size_t>(stream.most_shared_bytes());
  call.packing.run = kLongestRun;
  while (call.packing.run > kShortestRun && bytes() > most / 2) call.packing.run /= 2;
  if (!stream.cooperative() || call.cell.slices > stream.multiprocessors()) return;
  call.cell.resident = call.cell.matrices();
  while (call.cell.resident > 0 && bytes() > most) --call.cell.resident;
}

// Starts kernel(call, begin, end) for all steps of a cell: as one launch, or where the device knows of no grid that
// waits as a launch a step.
template <typename... Parameters, typename Call>
void launch_steps(CudaStream& stream, void (*kernel)(Parameters...), Call call) {
  share_out_memory(stream, call);
  const int steps = call.cell.steps();
  const Work work{call.cell.slices, shared_bytes<Parts>(call.cell, call.packing, call.at_once)};
  if (stream.cooperative()) return launch_cooperative(stream, kernel, work, call, 0, steps);
  for (int step = 0; step < steps; ++step) launch(stream, kernel, work, call, step, step + 1);
}

}  // namespace dartsmith::cuda::recurrent
