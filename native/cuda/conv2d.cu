// conv2d and linear. Dense ones are products of matrices whose left factor is gathered from the image tile by tile (implicit
// GEMM): output pixels x (taps, inputs) forward, input pixels x (taps, outputs) for the data gradient, (taps, inputs) x
// pixels for the weight gradient, whose pieces are joined in fixed order. Groups of few channels (depthwise ones that no
// separable takes) go element by element.
#include "cuda/kernels.h"
#include "cuda/product.h"

namespace dartsmith::cuda {
namespace {

inline constexpr int kRows = 64;  // of a task's product
inline constexpr int kColumns = 64;
inline constexpr int kInner = 32;
inline constexpr int64_t kMostPieces = 64;      // of a weight gradient
inline constexpr int64_t kPiecePixels = 512;    // at least, of a piece
inline constexpr int kSmallGroup = 8;           // channels a group below which a product would be mostly padding

struct Convolution {
  int kernel[2], stride[2], padding[2], dilation[2];
  int in_height, in_width, out_height, out_width;
  int inputs, outputs;  // channels, all groups
  int groups;
  int64_t batch;

  __host__ __device__ int taps() const { return kernel[0] * kernel[1]; }
  __host__ __device__ int group_inputs() const { return inputs / groups; }
  __host__ __device__ int group_outputs() const { return outputs / groups; }
  __host__ __device__ int64_t in_pixels() const { return batch * in_height * in_width; }
  __host__ __device__ int64_t out_pixels() const { return batch * out_height * out_width; }
  __host__ __device__ int64_t weights() const { return int64_t{taps()} * group_inputs() * outputs; }

  // The input pixel that an output pixel reads through a tap, -1 for none.
  __device__ __forceinline__ int64_t source(int64_t output, int tap) const {
    const int area = out_height * out_width, within = static_cast<int>(output % area);
    const int row = within / out_width * stride[0] + tap / kernel[1] * dilation[0] - padding[0];
    const int column = within % out_width * stride[1] + tap % kernel[1] * dilation[1] - padding[1];
    if (row < 0 || row >= in_height || column < 0 || column >= in_width) return -1;
    return (output / area * in_height + row) * in_width + column;
  }
  // The output pixel that reads an input pixel through a tap, -1 for none.
  __device__ __forceinline__ int64_t target(int64_t input, int tap) const {
    const int area = in_height * in_width, within = static_cast<int>(input % area);
    const int row = within / in_width + padding[0] - tap / kernel[1] * dilation[0];
    const int column = within % in_width + padding[1] - tap % kernel[1] * dilation[1];
    if (row < 0 || row % stride[0] != 0 || row / stride[0] >= out_height) return -1;
    if (column < 0 || column % stride[1] != 0 || column / stride[1] >= out_width) return -1;
    return (input / area * out_height + row / stride[0]) * out_width + column / stride[1];
  }
};

Convolution convolution_of(const KernelCall& call) {
  const Window& w = call.node->window;
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
  c.groups = call.node->groups;
  c.batch = in.batch;
  return c;
}

bool by_elements(const Convolution& c) {
  return c.groups > 1 && (c.group_inputs() < kSmallGroup || c.group_outputs() < kSmallGroup);
}

template <Precision precision>
struct Parts {
  using Type = typename Factor<precision>::Type;
  static constexpr int kLeftPitch = pitch_of<precision>(kInner);
  static constexpr int kRightPitch = pitch_of<precision>(kColumns);
  Type* left;     // [kRows, kInner]
  Type* right;    // [kInner, kColumns]
  float* result;  // [kRows, kColumns], in the place of both

  __host__ __device__ explicit Parts(Shared& shared) {
    const int64_t first = round_up(int64_t{kRows} * kLeftPitch * sizeof(Type), 32);
    const int64_t both = first + int64_t{kInner} * kRightPitch * static_cast<int64_t>(sizeof(Type));
    const int64_t product = int64_t{kRows} * (kColumns + kResultPad) * static_cast<int64_t>(sizeof(float));
    unsigned char* memory = shared.take<unsigned char>(larger(both, product) + 32);
    memory += (32 - reinterpret_cast<uintptr_t>(memory) % 32) % 32;
    left = reinterpret_cast<Type*>(memory);
    right = reinterpret_cast<Type*>(memory + first);
    result = reinterpret_cast<float*>(memory);
  }
};

// One task's product, inner dimension [begin, end), into parts.result; left(row, inner) and right(inner, column) give the
// factors, 0 where there is none. Left factors are loaded with `inner` side by side, right ones with `column`.
template <Precision precision, typename Left, typename Right>
__device__ void multiply(int64_t begin, int64_t end, const Parts<precision>& parts, const Left& left,
                         const Right& right) {
  using P = Parts<precision>;
  Product<precision> product(kRows, kColumns);
  for (int64_t inner = begin; inner < end; inner += kInner) {
    __syncthreads();
    for_block(kRows * kInner, [&](int item) {
      const int row = item / kInner, k = item % kInner;
      parts.left[row * P::kLeftPitch + k] = Factor<precision>::of(inner + k < end ? left(row, inner + k) : 0.0f);
    });
    for_block(kInner * kColumns, [&](int item) {
      const int k = item / kColumns, column = item % kColumns;
      parts.right[k * P::kRightPitch + column] = Factor<precision>::of(inner + k < end ? right(inner + k, column) : 0.0f);
    });
    __syncthreads();
    product.add(parts.left, P::kLeftPitch, parts.right, P::kRightPitch, kInner);
  }
  __syncthreads();
  product.store(parts.result, kColumns + kResultPad);
  __syncthreads();
}

// Calls body(row, column, value) for a task's results that lie within rows x columns.
template <typename Body>
__device__ void for_results(const float* result, int64_t rows, int64_t columns, const Body& body) {
  for_block(kRows * kColumns, [&](int item) {
    const int row = item / kColumns, column = item % kColumns;
    if (row < rows && column < columns) body(row, column, result[row * (kColumns + kResultPad) + column]);
  });
}

// Where a task lies: rows and columns of a group's result.
struct Tiles {
  int64_t down, across;
  int groups;
  Tiles(int64_t rows, int64_t columns, int groups)
      : down(divide_up(rows, kRows)), across(divide_up(columns, kColumns)), groups(groups) {}
  __host__ __device__ int64_t count() const { return down * across * groups; }
  __device__ int64_t row(int64_t task) const { return task % down * kRows; }
  __device__ int column(int64_t task) const { return static_cast<int>(task / down % across) * kColumns; }
  __device__ int group(int64_t task) const { return static_cast<int>(task / down / across); }
};

template <Precision precision>
__global__ void __launch_bounds__(kThreads)
    forward_kernel(Convolution c, Tiles tiles, const float* x, const float* weight, const float* bias, float* y) {
  Shared shared(shared_memory());
  const Parts<precision> parts(shared);
  for_tasks(tiles.count(), [&](int64_t task) {
    const int64_t first = tiles.row(task);
    const int inputs = c.group_inputs(), outputs = c.group_outputs(), group = tiles.group(task);
    const int column0 = tiles.column(task);
    multiply<precision>(
        0, int64_t{c.taps()} * inputs, parts,
        [&](int row, int64_t inner) {
          if (first + row >= c.out_pixels()) return 0.0f;
          const int64_t source = c.source(first + row, static_cast<int>(inner / inputs));
          return source < 0 ? 0.0f : x[source * c.inputs + group * inputs + inner % inputs];
        },
        [&](int64_t inner, int column) {
          return column0 + column < outputs ? weight[inner * c.outputs + group * outputs + column0 + column] : 0.0f;
        });
    for_results(parts.result, c.out_pixels() - first, outputs - column0, [&](int row, int column, float value) {
      const int channel = group * outputs + column0 + column;
      y[(first + row) * c.outputs + channel] = bias == nullptr ? value : value + bias[channel];
    });
  });
}

template <Precision precision>
__global__ void __launch_bounds__(kThreads) data_gradient_kernel(Convolution c, Tiles tiles, const float* dy,
                                                                const float* weight, float* dx, bool accumulate) {
  Shared shared(shared_memory());
  const Parts<precision> parts(shared);
  for_tasks(tiles.count(), [&](int64_t task) {
    const int64_t first = tiles.row(task);
    const int inputs = c.group_inputs(), outputs = c.group_outputs(), group = tiles.group(task);
    const int column0 = tiles.column(task);
    multiply<precision>(
        0, int64_t{c.taps()} * outputs, parts,
        [&](int row, int64_t inner) {
          if (first + row >= c.in_pixels()) return 0.0f;
          const int64_t target = c.target(first + row, static_cast<int>(inner / outputs));
          return target < 0 ? 0.0f : dy[target * c.outputs + group * outputs + inner % outputs];
        },
        [&](int64_t inner, int column) {
          if (column0 + column >= inputs) return 0.0f;
          return weight[(inner / outputs * inputs + column0 + column) * c.outputs + group * outputs + inner % outputs];
        });
    for_results(parts.result, c.in_pixels() - first, inputs - column0, [&](int row, int column, float value) {
      float* target = dx + (first + row) * c.inputs + group * inputs + column0 + column;
      *target = accumulate ? *target + value : value;
    });
  });
}

// Pieces of pixels whose weight gradients are found apart.
struct Pieces {
  int64_t pixels, count;
  explicit Pieces(int64_t all)
      : pixels(larger(kPiecePixels, round_up(divide_up(all, kMostPieces), kInner))), count(divide_up(all, pixels)) {}
};

template <Precision precision>
__global__ void __launch_bounds__(kThreads) weight_gradient_kernel(Convolution c, Tiles tiles, Pieces pieces,
                                                                  const float* x, const float* dy, float* partials,
                                                                  float* gradient) {
  Shared shared(shared_memory());
  const Parts<precision> parts(shared);
  for_tasks(tiles.count() * pieces.count, [&](int64_t item) {
    const int64_t task = item % tiles.count(), piece = item / tiles.count();
    const int64_t first = tiles.row(task);
    const int inputs = c.group_inputs(), outputs = c.group_outputs(), group = tiles.group(task);
    const int column0 = tiles.column(task);
    const int64_t rows = int64_t{c.taps()} * inputs;
    multiply<precision>(
        piece * pieces.pixels, smaller(c.out_pixels(), (piece + 1) * pieces.pixels), parts,
        [&](int row, int64_t pixel) {
          if (first + row >= rows) return 0.0f;
          const int64_t source = c.source(pixel, static_cast<int>((first + row) / inputs));
          return source < 0 ? 0.0f : x[source * c.inputs + group * inputs + (first + row) % inputs];
        },
        [&](int64_t pixel, int column) {
          return column0 + column < outputs ? dy[pixel * c.outputs + group * outputs + column0 + column] : 0.0f;
        });
    float* partial = partials + piece * c.weights();
    for_results(parts.result, rows - first, outputs - column0, [&](int row, int column, float value) {
      partial[(first + row) * c.outputs + group * outputs + column0 + column] = value;
    });
  });
  wait_for_grid();
  for_grid(c.weights(), [&](int64_t w) {
    float sum = 0;
    for (int64_t piece = 0; piece < pieces.count; ++piece) sum += partials[piece * c.weights() + w];
    gradient[w] = sum;
  });
}

// --- Element by element

__global__ void __launch_bounds__(kThreads)
    forward_elements_kernel(Convolution c, const float* x, const float* weight, float* y) {
  for_grid(c.out_pixels() * c.outputs, [&](int64_t item) {
    const int64_t pixel = item / c.outputs;
    const int channel = static_cast<int>(item % c.outputs), inputs = c.group_inputs();
    const int first = channel / c.group_outputs() * inputs;
    float sum = 0;
    for (int tap = 0; tap < c.taps(); ++tap) {
      const int64_t source = c.source(pixel, tap);
      for (int i = 0; source >= 0 && i < inputs; ++i) {
        sum = fmaf(x[source * c.inputs + first + i], weight[(int64_t{tap} * inputs + i) * c.outputs + channel], sum);
      }
    }
    y[item] = sum;
  });
}

__global__ void __launch_bounds__(kThreads)
    data_gradient_elements_kernel(Convolution c, const float* dy, const float* weight, float* dx, bool accumulate) {
  for_grid(c.in_pixels() * c.inputs, [&](int64_t item) {
    const int64_t pixel = item / c.inputs;
    const int channel = static_cast<int>(item % c.inputs), inputs = c.group_inputs(), outputs = c.group_outputs();
    const int first = channel / inputs * outputs;
    float sum = 0;
    for (int tap = 0; tap < c.taps(); ++tap) {
      const int64_t target = c.target(pixel, tap);
      for (int o = 0; target >= 0 && o < outputs; ++o) {
        sum = fmaf(dy[target * c.outputs + first + o],
                   weight[(int64_t{tap} * inputs + channel % inputs) * c.outputs + first + o], sum);
      }
    }
    dx[item] = accumulate ? dx[item] + sum : sum;
  });
}

// A warp a weight and piece.
__global__ void __launch_bounds__(kThreads) weight_gradient_elements_kernel(Convolution c, Pieces pieces, const float* x,
                                                                           const float* dy, float* partials,
                                                                           float* gradient) {
  const int inputs = c.group_inputs();
  for_warps(c.weights() * pieces.count, [&](int64_t item) {
    const int64_t w = item % c.weights(), piece = item / c.weights();
    const int channel = static_cast<int>(w % c.outputs), lane = static_cast<int>(threadIdx.x) % kLanes;
    const int64_t row = w / c.outputs;
    const int tap = static_cast<int>(row / inputs);
    const int from = channel / c.group_outputs() * inputs + static_cast<int>(row % inputs);
    double sum = 0;
    for (int64_t pixel = piece * pieces.pixels + lane; pixel < smaller(c.out_pixels(), (piece + 1) * pieces.pixels);
         pixel += kLanes) {
      const int64_t source = c.source(pixel, tap);
      if (source >= 0) sum += static_cast<double>(x[source * c.inputs + from]) * dy[pixel * c.outputs + channel];
    }
    sum = warp_sum(sum);
    if (lane == 0) partials[piece * c.weights() + w] = static_cast<float>(sum);
  });
  wait_for_grid();
  for_grid(c.weights(), [&](int64_t w) {
    double sum = 0;
    for (int64_t piece = 0; piece < pieces.count; ++piece) sum += partials[piece * c.weights() + w];
    gradient[w] = static_cast<float>(sum);
  });
}

// Column sums of dy [rows, columns], a warp a column.
__global__ void __launch_bounds__(kThreads) bias_gradient_kernel(const float* dy, int64_t rows, int columns, float* gradient) {
  for_warps(columns, [&](int64_t column) {
    double sum = 0;
    for (int64_t row = threadIdx.x % kLanes; row < rows; row += kLanes) sum += dy[row * columns + column];
    sum = warp_sum(sum);
    if (threadIdx.x % kLanes == 0) gradient[column] = static_cast<float>(sum);
  });
}

Work elementwise(int64_t items) { return {divide_up(items, kThreads)}; }

void forward(Stream& stream, const KernelCall& call) {
  const Convolution c = convolution_of(call);
  CudaStream& s = CudaStream::of(stream);
  if (by_elements(c)) {
    return launch(s, forward_elements_kernel, elementwise(c.out_pixels() * c.outputs), c, call.inputs[0].data,
                  call.weight, call.output.data);
  }
  const Tiles tiles(c.out_pixels(), c.group_outputs(), c.groups);
  with_precision(call.precision, [&](auto precision) {
    launch(s, forward_kernel<precision.value>, {tiles.count(), shared_bytes<Parts<precision.value>>()}, c, tiles,
           call.inputs[0].data, call.weight, call.bias, call.output.data);
  });
}

void data_gradient(CudaStream& stream, const KernelCall& call, const Convolution& c) {
  const GradientTarget& target = call.input_gradients[0];
  const bool accumulate = target.mode == GradientMode::kAccumulate;
  if (by_elements(c)) {
    return launch(stream, data_gradient_elements_kernel, elementwise(c.in_pixels() * c.inputs), c, call.output_gradient,
                  call.weight, target.data, accumulate);
  }
  const Tiles tiles(c.in_pixels(), c.group_inputs(), c.groups);
  with_precision(call.precision, [&](auto precision) {
    launch(stream, data_gradient_kernel<precision.value>, {tiles.count(), shared_bytes<Parts<precision.value>>()}, c,
           tiles, call.output_gradient, call.weight, target.data, accumulate);
  });
}

void weight_gradient(CudaStream& stream, const KernelCall& call, const Convolution& c) {
  const Pieces pieces(c.out_pixels());
  auto* partials = static_cast<float*>(call.workspace);
  if (by_elements(c)) {
    return launch_cooperative(stream, weight_gradient_elements_kernel,
                              {divide_up(c.weights() * pieces.count, kWarps)}, c, pieces, call.inputs[0].data,
                              call.output_gradient, partials, call.weight_gradient);
  }
  const Tiles tiles(int64_t{c.taps()} * c.group_inputs(), c.group_outputs(), c.groups);
  with_precision(call.precision, [&](auto precision) {
    launch_cooperative(stream, weight_gradient_kernel<precision.value>,
                       {tiles.count() * pieces.count, shared_bytes<Parts<precision.value>>()}, c, tiles, pieces,
                       call.inputs[0].data, call.output_gradient, partials, call.weight_gradient);
  });
}

void backward(Stream& stream, const KernelCall& call) {
  const Convolution c = convolution_of(call);
  CudaStream& s = CudaStream::of(stream);
  if (call.weight_gradient != nullptr) weight_gradient(s, call, c);
  if (call.bias_gradient != nullptr) {
    launch(s, bias_gradient_kernel, {divide_up(c.outputs, kWarps)}, call.output_gradient, c.out_pixels(), c.outputs,
           call.bias_gradient);
  }
  if (call.input_gradients[0].mode != GradientMode::kIgnore) data_gradient(s, call, c);
}

size_t workspace_bytes(const KernelCall& call, bool backward) {
  if (!backward) return 0;
  const Convolution c = convolution_of(call);
  return static_cast<size_t>(Pieces(c.out_pixels()).count * c.weights()) * sizeof(float);
}

}  // namespace

const OpKernels conv2d_kernels = {forward, backward, workspace_bytes};
const OpKernels linear_kernels = {forward, backward, workspace_bytes};

}  // namespace dartsmith::cuda
