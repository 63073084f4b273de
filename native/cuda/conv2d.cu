// conv2d and linear. Those of 1 x 1 go to sliding warps where these have kernels. Other dense ones are products of
// matrices whose left factor is gathered from the image tile by tile (implicit GEMM): output pixels x (taps, inputs)
// forward, input pixels x (taps, outputs) for the data gradient, (taps, inputs) x pixels for the weight gradient, whose
// pieces are joined in fixed order. Groups of few channels (depthwise ones that no separable takes) go element by
// element.
#include <algorithm>

#include "cuda/dense.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "cuda/sliding/choice.h"
#include "cuda/sliding/convolution.h"

namespace dartsmith::cuda {
namespace {

using dense::ActivatedSource;
using dense::for_results;
using dense::kColumns;
using dense::kInner;
using dense::kRows;
using dense::multiply;
using dense::Parts;
using dense::Source;
using dense::weights_view;

inline constexpr int64_t kMostPieces = 256;   // of a weight gradient
inline constexpr int64_t kPiecePixels = 256;  // at least, of a piece
inline constexpr int kSmallGroup = 8;         // channels a group below which a product would be mostly padding

struct Convolution {
  int kernel[2], stride[2], padding[2], dilation[2];
  int in_height, in_width, out_height, out_width;
  int inputs, outputs;  // channels, all groups
  int groups;
  int64_t batch;
  bool direct;  // 1 x 1, stride 1, not padded: pixels and channels as they are, without a division

  __host__ __device__ int taps() const { return kernel[0] * kernel[1]; }
  __host__ __device__ int group_inputs() const { return inputs / groups; }
  __host__ __device__ int group_outputs() const { return outputs / groups; }
  __host__ __device__ int64_t in_pixels() const { return batch * in_height * in_width; }
  __host__ __device__ int64_t out_pixels() const { return batch * out_height * out_width; }
  __host__ __device__ int64_t weights() const { return int64_t{taps()} * group_inputs() * outputs; }

  // What follows is compiled for direct ones, too, where that spares a loop its registers.

  // A row of weights: its tap, and its channel of `channels` a tap.
  struct Row {
    int tap, channel;
  };
  template <bool is_direct = false>
  __device__ __forceinline__ Row row_of(Index inner, int channels) const {
    if (is_direct || direct) return {0, static_cast<int>(inner)};
    const Index tap = inner / static_cast<Index>(channels);
    return {static_cast<int>(tap), static_cast<int>(inner - tap * static_cast<Index>(channels))};
  }
  // The input pixel that an output pixel reads through a tap, -1 for none.
  template <bool is_direct = false>
  __device__ __forceinline__ int64_t source(Index output, int tap) const {
    if (is_direct || direct) return output;
    const Index area = static_cast<Index>(out_height * out_width);
    const int within = static_cast<int>(output % area);
    const int row = within / out_width * stride[0] + tap / kernel[1] * dilation[0] - padding[0];
    const int column = within % out_width * stride[1] + tap % kernel[1] * dilation[1] - padding[1];
    if (row < 0 || row >= in_height || column < 0 || column >= in_width) return -1;
    return (static_cast<int64_t>(output / area) * in_height + row) * in_width + column;
  }
  // The output pixel that reads an input pixel through a tap, -1 for none.
  template <bool is_direct = false>
  __device__ __forceinline__ int64_t target(Index input, int tap) const {
    if (is_direct || direct) return input;
    const Index area = static_cast<Index>(in_height * in_width);
    const int within = static_cast<int>(input % area);
    const int row = within / in_width + padding[0] - tap / kernel[1] * dilation[0];
    const int column = within % in_width + padding[1] - tap % kernel[1] * dilation[1];
    if (row < 0 || row % stride[0] != 0 || row / stride[0] >= out_height) return -1;
    if (column < 0 || column % stride[1] != 0 || column / stride[1] >= out_width) return -1;
    return (static_cast<int64_t>(input / area) * out_height + row / stride[0]) * out_width + column / stride[1];
  }
};

Convolution convolution_of(const KernelCall& call) {
  if (call.input_count > 1) fail("cuda", "expected one input of a convolution that no sliding warps take");
  const auto& [w, groups] = attributes_of<Conv2dAttributes>(call);
  const Tensor &in = call.inputs[0], &out = call.output;
  Convolution c{};
  for (int axis = 0; axis < 2; ++axis) {
    c.kernel[axis] = w.kernel[axis];
    c.stride[axis] = w.stride[axis];
    c.padding[axis] = w.padding[axis];
    c.dilation[axis] = w.dilation[axis];
  }
  c.in_height = static_cast<int>(in.height);
  c.in_width = static_cast<int>(in.width);
  c.out_height = static_cast<int>(out.height);
  c.out_width = static_cast<int>(out.width);
  c.inputs = static_cast<int>(in.channels);
  c.outputs = static_cast<int>(out.channels);
  c.groups = groups;
  c.batch = in.batch;
  c.direct = true;
  for (int axis = 0; axis < 2; ++axis) {
    c.direct = c.direct && c.kernel[axis] == 1 && c.stride[axis] == 1 && c.padding[axis] == 0;
  }
  return c;
}

bool by_elements(const Convolution& c) {
  return c.groups > 1 && (c.group_inputs() < kSmallGroup || c.group_outputs() < kSmallGroup);
}

// Where a task lies: rows and columns of a group's result.
struct Tiles {
  Index down, across;
  int groups;
  __host__ __device__ Tiles(int64_t rows, int64_t columns, int groups)
      : down(static_cast<Index>(divide_up(rows, kRows))),
        across(static_cast<Index>(divide_up(columns, kColumns))),
        groups(groups) {}
  __host__ __device__ Index count() const { return down * across * static_cast<Index>(groups); }
  __device__ Index row(Index task) const { return task % down * kRows; }
  __device__ int column(Index task) const { return static_cast<int>(task / down % across) * kColumns; }
  __device__ int group(Index task) const { return static_cast<int>(task / down / across); }
};

// One of a group of convolutions; tasks are tiles of a product, or runs of elements.
struct Member {
  Convolution c;
  bool by_elements;
  View x;
  bool activated;  // read through a relu
  const float* weight;
  const float* bias;
  View y;
  int64_t first_task;
};

int64_t element_tasks(int64_t elements) {
  return divide_up(elements, kThreads);
}

template <Precision precision, bool direct>
__device__ void forward_tile(const Member& m, Index task, const Parts<precision>& parts) {
  const Convolution& c = m.c;
  const Tiles tiles(c.out_pixels(), c.group_outputs(), c.groups);
  const Index first = tiles.row(task);
  const int inputs = c.group_inputs(), outputs = c.group_outputs(), group = tiles.group(task);
  const int column0 = tiles.column(task);
  const ActivatedSource pixels{m.x,
                               [&](int row, Index inner) -> int64_t {
                                 if (first + row >= c.out_pixels()) return -1;
                                 const auto [tap, channel] = c.row_of<direct>(inner, inputs);
                                 const int64_t source = c.source<direct>(first + row, tap);
                                 return source < 0 ? -1 : source * c.inputs + group * inputs + channel;
                               },
                               m.activated};
  const Source weights{weights_view(m.weight), [&](int column, Index inner) -> int64_t {
                         if (column0 + column >= outputs) return -1;
                         return static_cast<int64_t>(inner) * c.outputs + group * outputs + column0 + column;
                       }};
  multiply<precision>(0, static_cast<Index>(c.taps() * inputs), parts, pixels, weights);
  for_results(parts.result, c.out_pixels() - first, outputs - column0, [&](int row, int column, float value) {
    const int channel = group * outputs + column0 + column;
    m.y.set(int64_t{first + row} * c.outputs + channel, m.bias == nullptr ? value : value + m.bias[channel]);
  });
}

// An element of the input.
template <typename Reader>
__device__ __forceinline__ float value_of(const Reader& m, int64_t at) {
  const float value = m.x.get(at);
  return m.activated ? relu(value) : value;
}

__device__ void forward_element(const Member& m, int64_t item) {
  const Convolution& c = m.c;
  if (item >= c.out_pixels() * c.outputs) return;
  const Index pixel = static_cast<Index>(item / c.outputs);
  const int channel = static_cast<int>(item % c.outputs), inputs = c.group_inputs();
  const int first = channel / c.group_outputs() * inputs;
  float sum = 0;
  for (int tap = 0; tap < c.taps(); ++tap) {
    const int64_t source = c.source(pixel, tap);
    for (int i = 0; source >= 0 && i < inputs; ++i) {
      sum = fmaf(value_of(m, source * c.inputs + first + i),
                 m.weight[(int64_t{tap} * inputs + i) * c.outputs + channel], sum);
    }
  }
  m.y.set(item, sum);
}

// Calls element(member, its task) or tile(member, its task, parts), as each member goes.
template <Precision precision, typename Any, typename Element, typename Tile>
__device__ __forceinline__ void run_tasks(const Group<Any>& group, const Element& element, const Tile& tile) {
  Shared shared(shared_memory());
  const Parts<precision> parts(shared);
  for_members(group, [&](const Any& member, Index task) {
    if (member.by_elements) {
      element(member, task);
    } else {
      tile(member, task, parts);
    }
  });
}

template <Precision precision>
__global__ void __launch_bounds__(kThreads, 2) conv2d_forward_kernel(DARTSMITH_ARGUMENT(Group<Member>) group) {
  begin_kernel();
  run_tasks<precision>(
      group, [](const Member& m, Index task) { forward_element(m, int64_t{task} * kThreads + threadIdx.x); },
      [](const Member& m, Index task, const Parts<precision>& parts) {
        m.c.direct ? forward_tile<precision, true>(m, task, parts) : forward_tile<precision, false>(m, task, parts);
      });
}

// --- Backward: the data gradients; beside them the pieces of the weight gradients, which are then joined

// Pieces of pixels whose weight gradients are found apart.
struct Pieces {
  int64_t pixels, count;
  Pieces() = default;
  explicit Pieces(int64_t all)
      : pixels(larger(kPiecePixels, round_up(divide_up(all, kMostPieces), kInner))), count(divide_up(all, pixels)) {}
};

struct Backward {
  Convolution c;
  bool by_elements;
  View x;
  bool activated;
  const float* weight;
  View dy;
  View dx;  // without data where not wanted
  bool accumulate;
  float* weight_gradient;  // null where not wanted
  float* bias_gradient;
  float* partials;  // [pieces, weights]
  Pieces pieces;
  int64_t first_task;
};

// Adds to an element of the input's gradient, or overwrites it.
__device__ __forceinline__ void keep_gradient(const Backward& b, int64_t at, float gradient) {
  b.dx.add(at, b.activated && !(b.x.get(at) > 0) ? 0.0f : gradient, b.accumulate);
}

template <Precision precision, bool direct>
__device__ void data_tile(const Backward& b, Index task, const Parts<precision>& parts) {
  const Convolution& c = b.c;
  const Tiles tiles(c.in_pixels(), c.group_inputs(), c.groups);
  const Index first = tiles.row(task);
  const int inputs = c.group_inputs(), outputs = c.group_outputs(), group = tiles.group(task);
  const int column0 = tiles.column(task);
  const Source pixels{b.dy, [&](int row, Index inner) -> int64_t {
                        if (first + row >= c.in_pixels()) return -1;
                        const auto [tap, channel] = c.row_of<direct>(inner, outputs);
                        const int64_t target = c.target<direct>(first + row, tap);
                        return target < 0 ? -1 : target * c.outputs + group * outputs + channel;
                      }};
  const Source weights{weights_view(b.weight), [&](int column, Index inner) -> int64_t {
                         if (column0 + column >= inputs) return -1;
                         const auto [tap, channel] = c.row_of<direct>(inner, outputs);
                         return (int64_t{tap} * inputs + column0 + column) * c.outputs + group * outputs + channel;
                       }};
  multiply<precision>(0, static_cast<Index>(c.taps() * outputs), parts, pixels, weights);
  for_results(parts.result, c.in_pixels() - first, inputs - column0, [&](int row, int column, float value) {
    keep_gradient(b, int64_t{first + row} * c.inputs + group * inputs + column0 + column, value);
  });
}

__device__ void data_element(const Backward& b, int64_t item) {
  const Convolution& c = b.c;
  if (item >= c.in_pixels() * c.inputs) return;
  const Index pixel = static_cast<Index>(item / c.inputs);
  const int channel = static_cast<int>(item % c.inputs), inputs = c.group_inputs(), outputs = c.group_outputs();
  const int first = channel / inputs * outputs;
  float sum = 0;
  for (int tap = 0; tap < c.taps(); ++tap) {
    const int64_t target = c.target(pixel, tap);
    for (int o = 0; target >= 0 && o < outputs; ++o) {
      sum = fmaf(b.dy.get(target * c.outputs + first + o),
                 b.weight[(int64_t{tap} * inputs + channel % inputs) * c.outputs + first + o], sum);
    }
  }
  keep_gradient(b, item, sum);
}

template <Precision precision>
__device__ void weight_tile(const Backward& b, Index item, const Parts<precision>& parts) {
  const Convolution& c = b.c;
  const int64_t rows = int64_t{c.taps()} * c.group_inputs();
  const Tiles tiles(rows, c.group_outputs(), c.groups);
  const Index task = item % tiles.count(), piece = item / tiles.count();
  const Index first = tiles.row(task);
  const int inputs = c.group_inputs(), outputs = c.group_outputs(), group = tiles.group(task);
  const int column0 = tiles.column(task);
  const ActivatedSource pixels{b.x,
                               [&](int row, Index pixel) -> int64_t {
                                 if (first + row >= rows) return -1;
                                 const auto [tap, channel] = c.row_of(first + row, inputs);
                                 const int64_t source = c.source(pixel, tap);
                                 return source < 0 ? -1 : source * c.inputs + group * inputs + channel;
                               },
                               b.activated};
  const Source gradients{b.dy, [&](int column, Index pixel) -> int64_t {
                           if (column0 + column >= outputs) return -1;
                           return int64_t{pixel} * c.outputs + group * outputs + column0 + column;
                         }};
  multiply<precision, dense::Along::kPlace>(
      static_cast<Index>(piece * b.pieces.pixels),
      static_cast<Index>(smaller(c.out_pixels(), (int64_t{piece} + 1) * b.pieces.pixels)), parts, pixels, gradients);
  float* partial = b.partials + piece * c.weights();
  for_results(parts.result, rows - first, outputs - column0, [&](int row, int column, float value) {
    partial[int64_t{first + row} * c.outputs + group * outputs + column0 + column] = value;
  });
}

// A weight of a piece, a warp together.
__device__ void weight_element(const Backward& b, Index item) {
  const Convolution& c = b.c;
  if (item >= c.weights() * b.pieces.count) return;
  const Index weights = static_cast<Index>(c.weights()), w = item % weights, piece = item / weights;
  const int channel = static_cast<int>(w % static_cast<Index>(c.outputs)),
            lane = static_cast<int>(threadIdx.x) % kLanes;
  const int row = static_cast<int>(w / static_cast<Index>(c.outputs));
  const int tap = row / c.group_inputs();
  const int from = channel / c.group_outputs() * c.group_inputs() + row % c.group_inputs();
  const int64_t end = smaller(c.out_pixels(), (int64_t{piece} + 1) * b.pieces.pixels);
  double sum = 0;
  for (int64_t pixel = int64_t{piece} * b.pieces.pixels + lane; pixel < end; pixel += kLanes) {
    const int64_t source = c.source(static_cast<Index>(pixel), tap);
    if (source >= 0)
      sum += static_cast<double>(value_of(b, source * c.inputs + from)) * b.dy.get(pixel * c.outputs + channel);
  }
  sum = warp_sum(sum);
  if (lane == 0) b.partials[item] = static_cast<float>(sum);
}

__device__ void join_weights(const Backward& b) {
  if (b.weight_gradient != nullptr) {
    for_warps(b.c.weights(), [&](Index w) {
      double sum = 0;
      for (int64_t piece = threadIdx.x % kLanes; piece < b.pieces.count; piece += kLanes) {
        sum += b.partials[piece * b.c.weights() + w];
      }
      sum = warp_sum(sum);
      if (threadIdx.x % kLanes == 0) b.weight_gradient[w] = static_cast<float>(sum);
    });
  }
  if (b.bias_gradient == nullptr) return;
  for_warps(b.c.outputs, [&](Index column) {
    double sum = 0;
    for (int64_t row = threadIdx.x % kLanes; row < b.c.out_pixels(); row += kLanes) {
      sum += b.dy.get(row * b.c.outputs + column);
    }
    sum = warp_sum(sum);
    if (threadIdx.x % kLanes == 0) b.bias_gradient[column] = static_cast<float>(sum);
  });
}

template <Precision precision>
__global__ void __launch_bounds__(kThreads, 2) conv2d_data_kernel(DARTSMITH_ARGUMENT(Group<Backward>) group) {
  begin_kernel();
  run_tasks<precision>(
      group, [](const Backward& b, Index task) { data_element(b, int64_t{task} * kThreads + threadIdx.x); },
      [](const Backward& m, Index task, const Parts<precision>& parts) {
        m.c.direct ? data_tile<precision, true>(m, task, parts) : data_tile<precision, false>(m, task, parts);
      });
}

template <Precision precision>
__global__ void __launch_bounds__(kThreads, 2) conv2d_weights_kernel(DARTSMITH_ARGUMENT(Group<Backward>) group) {
  begin_kernel();
  run_tasks<precision>(
      group, [](const Backward& b, Index task) { weight_element(b, task * kWarps + threadIdx.x / kLanes); },
      [](const Backward& m, Index task, const Parts<precision>& parts) { weight_tile<precision>(m, task, parts); });
}

__global__ void __launch_bounds__(kThreads) conv2d_join_kernel(DARTSMITH_ARGUMENT(Group<Backward>) group) {
  begin_kernel();
  for (int m = 0; m < group.count; ++m) join_weights(group.members[m]);
}

// --- Host

void forward_tiles(Stream& stream, const KernelCall* calls, int count) {
  for_parts(calls, count, [&](const KernelCall* part, int size) {
    Group<Member> group;
    for (const KernelCall* call = part; call < part + size; ++call) {
      const Convolution c = convolution_of(*call);
      const bool elements = by_elements(c);
      group.add({c, elements, view_of(call->inputs[0]), call->links[0].activated, call->weight, call->bias,
                 view_of(call->output), 0},
                elements ? element_tasks(c.out_pixels() * c.outputs)
                         : Tiles(c.out_pixels(), c.group_outputs(), c.groups).count());
    }
    with_precision(part->precision, [&](auto precision) {
      launch(CudaStream::of(stream), conv2d_forward_kernel<precision.value>,
             {group.tasks, shared_bytes<Parts<precision.value>>()}, group);
    });
  });
}

int64_t data_tasks(const Convolution& c) {
  return by_elements(c) ? element_tasks(c.in_pixels() * c.inputs)
                        : Tiles(c.in_pixels(), c.group_inputs(), c.groups).count();
}

int64_t weight_tasks(const Convolution& c, const Pieces& pieces) {
  return by_elements(c)
             ? divide_up(c.weights() * pieces.count, kWarps)
             : Tiles(int64_t{c.taps()} * c.group_inputs(), c.group_outputs(), c.groups).count() * pieces.count;
}

Backward backward_of(const KernelCall& call) {
  const Convolution c = convolution_of(call);
  return {.c = c,
          .by_elements = by_elements(c),
          .x = view_of(call.inputs[0]),
          .activated = call.links[0].activated,
          .weight = call.weight,
          .dy = output_gradient_of(call),
          .dx = input_gradient_of(call, 0),
          .accumulate = call.input_gradients[0].mode == GradientMode::kAccumulate,
          .weight_gradient = call.weight_gradient,
          .bias_gradient = call.bias_gradient,
          .partials = static_cast<float*>(call.workspace),
          .pieces = Pieces(c.out_pixels()),
          .first_task = 0};
}

void backward_tiles(CudaStream& stream, const KernelCall* calls, int count) {
  for_parts(calls, count, [&](const KernelCall* part, int size) {
    Group<Backward> data, weights;
    int64_t sums = 0;  // of the member that has most
    for (const KernelCall* call = part; call < part + size; ++call) {
      const Backward b = backward_of(*call);
      if (call->input_gradients[0].mode != GradientMode::kIgnore) data.add(b, data_tasks(b.c));
      if (b.weight_gradient == nullptr && b.bias_gradient == nullptr) continue;
      weights.add(b, b.weight_gradient == nullptr ? 0 : weight_tasks(b.c, b.pieces));
      sums = larger(sums, larger(b.weight_gradient == nullptr ? 0 : b.c.weights(), b.c.outputs));
    }
    with_precision(part->precision, [&](auto precision) {
      const size_t bytes = shared_bytes<Parts<precision.value>>();
      stream.in_branches(2, [&](int branch) {
        if (branch == 0) {
          launch(stream, KernelOf<Group<Backward>>{conv2d_data_kernel<precision.value>}, {data.tasks, bytes}, data);
          return;
        }
        launch(stream, KernelOf<Group<Backward>>{conv2d_weights_kernel<precision.value>}, {weights.tasks, bytes},
               weights);
        launch(stream, KernelOf<Group<Backward>>{conv2d_join_kernel}, {divide_up(sums, kWarps)}, weights);
      });
    });
  });
}

size_t tile_bytes(const KernelCall& call) {
  if (call.input_count > 1) return 0;
  const Convolution c = convolution_of(call);
  return static_cast<size_t>(Pieces(c.out_pixels()).count * c.weights()) * sizeof(float);
}

// --- Of sliding warps, where these have kernels for a call

bool slides(const KernelCall& call) {
  return sliding::chosen() && sliding::takes_convolution(call);
}

void forward(Stream& stream, const KernelCall* calls, int count) {
  sliding::share(
      calls, count, slides, [&](const sliding::Calls& own) { sliding::convolve(CudaStream::of(stream), own); },
      [&](const KernelCall* tiled, int size) { forward_tiles(stream, tiled, size); });
}

void backward(Stream& stream, const KernelCall* calls, int count) {
  sliding::share(
      calls, count, [](const KernelCall& call) { return slides(call) && sliding::takes_convolution_backward(call); },
      [&](const sliding::Calls& own) { sliding::convolve_backward(CudaStream::of(stream), own); },
      [&](const KernelCall* tiled, int size) { backward_tiles(CudaStream::of(stream), tiled, size); });
}

bool activates_inputs(const KernelCall&) {
  return true;
}

bool joins_inputs(const KernelCall& call) {
  return sliding::chosen() && sliding::joins(call);
}

// How gradients are stored is not known here.
size_t workspace_bytes(const KernelCall& call, bool backward) {
  if (!backward || call.weight_gradient == nullptr) return 0;
  return slides(call) ? std::max(tile_bytes(call), sliding::convolution_bytes(call)) : tile_bytes(call);
}

}  // namespace

const OpKernels conv2d_kernels = {.workspace_bytes = workspace_bytes,
                                  .groups_inputs = true,
                                  .activates_inputs = activates_inputs,
                                  .joins_inputs = joins_inputs,
                                  .forward_group = forward,
                                  .backward_group = backward};
const OpKernels linear_kernels = conv2d_kernels;

}  // namespace dartsmith::cuda
