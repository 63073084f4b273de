// maxPool, avgPool, globalAvgPool, and pooledMoments: the statistics of lazy batch-norms of a pooling that nobody stores.
#include "cuda/pool.h"

#include "cuda/kernels.h"
#include "cuda/moments.h"

namespace dartsmith::cuda {
namespace {

__global__ void __launch_bounds__(kThreads) pool_forward_kernel(PoolWindow window, View x, View y, int64_t items) {
  const int vectors = (x.channels + 3) / 4;
  for_grid(items, [&](int64_t item) {
    const int64_t pixel = item / vectors;
    const int channel = static_cast<int>(item % vectors) * 4;
    y.store(pixel, channel, window.value(x, pixel, channel));
  });
}

Work elementwise(int64_t items) { return {divide_up(items, kThreads)}; }

int64_t items_of(const Tensor& tensor) { return pixels_of(tensor) * divide_up(tensor.channels, 4); }

void pool_forward(Stream& stream, const KernelCall& call) {
  const int64_t items = items_of(call.output);
  const PoolWindow window(*call.node, call.node->op, call.inputs[0], call.output.height, call.output.width);
  launch(CudaStream::of(stream), pool_forward_kernel, elementwise(items), window, view_of(call.inputs[0]),
         view_of(call.output), items);
}

// Poolings that measure one tensor; their gradients are joined before they flow back through it.
inline constexpr int kMembers = 32;

struct PoolBackward {
  PoolWindow window;
  View x;
  View gradients[kMembers];      // of each member's output
  const float* maps[kMembers];   // null for a gradient as it is
  int members;
  View shares;          // workspace: of each output, the gradient of what it chose or of each that it averaged
  unsigned* choices;    // workspace: of each output, the elements of its window that it chose, a byte a channel
  View target;
  bool accumulate;
  int64_t output_items, input_items;
};

// Sum over members of A * g + B * y + D.
__device__ float4 joined_gradient(const PoolBackward& b, int64_t pixel, int channel, float4 y) {
  float4 sum = splat(0);
  for (int m = 0; m < b.members; ++m) {
    const float4 g = b.gradients[m].load(pixel, channel);
    sum = sum + (b.maps[m] == nullptr ? g : GradientMap(b.maps[m], channel, b.x.channels)(g, y));
  }
  return sum;
}

// The first largest element of a window, in row order, a byte a channel; 255 for none.
__device__ unsigned choose(const PoolWindow& window, const View& x, int64_t image, int row, int column, int channel,
                           float4 largest) {
  const PoolWindow::Span s = window.span(row, column);
  const int top = row * window.stride[0] - window.padding[0], left = column * window.stride[1] - window.padding[1];
  unsigned chosen = 0xffffffffu;
  for (int y = s.top; y < s.bottom; ++y) {
    for (int c = s.left; c < s.right; ++c) {
      float4 value = x.load(image + int64_t{y} * window.in_width + c, channel);
      const unsigned element = static_cast<unsigned>((y - top) * window.kernel[1] + c - left);
      for (int i = 0; i < 4; ++i) {
        const bool open = (chosen >> (8 * i) & 0xffu) == 0xffu;
        if (open && at(value, i) == at(largest, i)) chosen = (chosen & ~(0xffu << (8 * i))) | element << (8 * i);
      }
    }
  }
  return chosen;
}

// Gathers an input pixel's gradient from the windows that hold it.
__device__ float4 gather_gradient(const PoolBackward& b, int64_t image, int row, int column, int channel) {
  const PoolWindow& w = b.window;
  const int vectors = (b.x.channels + 3) / 4;
  float4 sum = splat(0);
  for (int ky = 0; ky < w.kernel[0]; ++ky) {
    const int from_row = row + w.padding[0] - ky;
    if (from_row < 0 || from_row % w.stride[0] != 0 || from_row / w.stride[0] >= w.out_height) continue;
    for (int kx = 0; kx < w.kernel[1]; ++kx) {
      const int from_column = column + w.padding[1] - kx;
      if (from_column < 0 || from_column % w.stride[1] != 0 || from_column / w.stride[1] >= w.out_width) continue;
      const int64_t output =
          (image * w.out_height + from_row / w.stride[0]) * w.out_width + from_column / w.stride[1];
      float4 share = b.shares.load(output, channel);
      if (w.takes_max) {
        const unsigned chosen = b.choices[output * vectors + channel / 4];
        const unsigned element = static_cast<unsigned>(ky * w.kernel[1] + kx);
        for (int i = 0; i < 4; ++i) at(share, i) = (chosen >> (8 * i) & 0xffu) == element ? at(share, i) : 0;
      }
      sum = sum + share;
    }
  }
  return sum;
}

__global__ void __launch_bounds__(kThreads) pool_backward_kernel(PoolBackward b) {
  const PoolWindow& w = b.window;
  const int vectors = (b.x.channels + 3) / 4;
  for_grid(b.output_items, [&](int64_t item) {
    const int64_t pixel = item / vectors, image = pixel / (int64_t{w.out_height} * w.out_width);
    const int channel = static_cast<int>(item % vectors) * 4;
    const int within = static_cast<int>(pixel - image * w.out_height * w.out_width);
    const int row = within / w.out_width, column = within % w.out_width;
    const int64_t first = image * w.in_height * w.in_width;
    const bool needs_value = w.takes_max || b.maps[0] != nullptr;
    const float4 value = needs_value ? w.value(b.x, first, row, column, channel) : splat(0);
    float4 share = joined_gradient(b, pixel, channel, value);
    if (w.takes_max) {
      b.choices[item] = choose(w, b.x, first, row, column, channel, value);
    } else {
      share = share * splat(w.reciprocal(w.span(row, column)));
    }
    b.shares.store(pixel, channel, share);
  });
  wait_for_grid();
  for_grid(b.input_items, [&](int64_t item) {
    const int64_t pixel = item / vectors, image = pixel / (int64_t{w.in_height} * w.in_width);
    const int channel = static_cast<int>(item % vectors) * 4;
    const int within = static_cast<int>(pixel - image * w.in_height * w.in_width);
    const float4 gradient = gather_gradient(b, image, within / w.in_width, within % w.in_width, channel);
    b.target.add(pixel, channel, gradient, b.accumulate);
  });
}

// `like` has the pooled shape.
size_t backward_workspace_bytes(const Tensor& like) {
  return static_cast<size_t>(round_up(pixels_of(like) * like.channels * static_cast<int64_t>(sizeof(float)), 16) +
                             items_of(like) * static_cast<int64_t>(sizeof(unsigned)));
}

PoolBackward backward_of(const KernelCall& call, const Tensor& pooled) {
  PoolBackward b{};
  b.x = view_of(call.inputs[0]);
  b.shares = view_of(static_cast<float*>(call.workspace), pooled.channels);
  b.choices = reinterpret_cast<unsigned*>(
      static_cast<unsigned char*>(call.workspace) +
      round_up(pixels_of(pooled) * pooled.channels * static_cast<int64_t>(sizeof(float)), 16));
  b.target = view_of(call.input_gradients[0].data, call.inputs[0].channels);
  b.accumulate = call.input_gradients[0].mode == GradientMode::kAccumulate;
  b.output_items = items_of(pooled);
  b.input_items = items_of(call.inputs[0]);
  return b;
}

void start_backward(Stream& stream, const PoolBackward& b) {
  const int64_t items = larger(b.output_items, b.input_items);
  launch_cooperative(CudaStream::of(stream), pool_backward_kernel, elementwise(items), b);
}

void pool_backward(Stream& stream, const KernelCall& call) {
  if (call.input_gradients[0].mode == GradientMode::kIgnore) return;
  PoolBackward b = backward_of(call, call.output);
  b.window = {*call.node, call.node->op, call.inputs[0], call.output.height, call.output.width};
  b.gradients[0] = view_of(call.output_gradient, call.output.channels);
  b.members = 1;
  start_backward(stream, b);
}

size_t pool_workspace_bytes(const KernelCall& call, bool backward) {
  return backward ? backward_workspace_bytes(call.output) : 0;
}

// --- pooledMoments

struct PooledParts {
  float4* scratch;
  float4* piece;  // [kPooledPixels, kChunk / 4]
  __host__ __device__ explicit PooledParts(Shared& shared);
};

inline constexpr int kPooledPixels = 128;

__host__ __device__ PooledParts::PooledParts(Shared& shared)
    : scratch(shared.take<float4>(kWarps * kChunk / 4)), piece(shared.take<float4>(kPooledPixels * kChunk / 4)) {}

struct PooledMoments {
  PoolWindow window;
  View x;
  Normalisation norms[kMembers];
  int members;
  Partials partials;
  int64_t pixels;
  int chunks;
};

__global__ void __launch_bounds__(kThreads) pooled_moments_forward_kernel(PooledMoments m) {
  Shared shared(shared_memory());
  const PooledParts parts(shared);
  const auto count = [&](int64_t piece) {
    return static_cast<int>(smaller(kPooledPixels, m.pixels - piece * kPooledPixels));
  };
  if (m.norms[0].statistics != Statistics::kRunning) {
    for_tasks(m.partials.pieces * m.chunks, [&](int64_t task) {
      const int64_t piece = task / m.chunks, first = piece * kPooledPixels;
      const int chunk = static_cast<int>(task % m.chunks) * kChunk;
      const Spread spread(m.x.channels - chunk);
      const int channel = chunk + spread.vector * 4;
      for (int p = spread.row; p < count(piece); p += spread.rows) {
        if (channel >= m.x.channels) continue;
        parts.piece[p * spread.vectors + spread.vector] = m.window.value(m.x, first + p, channel);
      }
      __syncthreads();
      piece_moments(
          spread, count(piece), channel, [&](int p) { return parts.piece[p * spread.vectors + spread.vector]; },
          parts.scratch, m.partials, piece);
    });
  }
  wait_for_grid();
  for_warps(int64_t{m.members} * m.x.channels, [&](int64_t item) {
    finish_moments(m.norms[item / m.x.channels], m.partials, static_cast<int>(item % m.x.channels),
                   static_cast<double>(m.pixels), count);
  });
}

// All members measure the same tensor: it is pooled once, each member moves its own running statistics.
void pooled_moments_forward(Stream& stream, const KernelCall* calls, int count) {
  const Tensor& x = calls[0].inputs[0];
  for (int first = 0; first < count; first += kMembers) {
    PooledMoments m{};
    m.window = {*calls[first].node, calls[first].node->pool, x, x.height, x.width};
    m.x = view_of(x);
    m.members = static_cast<int>(smaller(kMembers, count - first));
    for (int i = 0; i < m.members; ++i) m.norms[i] = normalisation_of(calls[first + i]);
    m.pixels = pixels_of(x);
    m.chunks = static_cast<int>(divide_up(x.channels, kChunk));
    m.partials = {static_cast<float*>(calls[first].workspace), static_cast<int>(x.channels),
                  divide_up(m.pixels, kPooledPixels)};
    launch_cooperative(CudaStream::of(stream), pooled_moments_forward_kernel,
                       {m.partials.pieces * m.chunks, shared_bytes<PooledParts>()}, m);
  }
}

void pooled_moments_backward(Stream& stream, const KernelCall* calls, int count) {
  const Tensor& x = calls[0].inputs[0];
  if (calls[0].input_gradients[0].mode == GradientMode::kIgnore) return;
  for (int first = 0; first < count; first += kMembers) {
    PoolBackward b = backward_of(calls[0], x);
    b.accumulate = b.accumulate || first > 0;
    b.window = {*calls[first].node, calls[first].node->pool, x, x.height, x.width};
    b.members = static_cast<int>(smaller(kMembers, count - first));
    for (int i = 0; i < b.members; ++i) {
      b.gradients[i] = view_of(calls[first + i].output_gradient, x.channels);
      b.maps[i] = calls[first + i].output_gradient_map;
    }
    start_backward(stream, b);
  }
}

size_t pooled_moments_workspace_bytes(const KernelCall& call, bool backward) {
  const Tensor& x = call.inputs[0];
  if (backward) return backward_workspace_bytes(x);
  return static_cast<size_t>(divide_up(pixels_of(x), kPooledPixels) * 2 * x.channels) * sizeof(float);
}

// --- globalAvgPool

struct GlobalParts {
  float4* scratch;
  __host__ __device__ explicit GlobalParts(Shared& shared) : scratch(shared.take<float4>(kWarps * kChunk / 4)) {}
};

// One block an image and chunk of channels.
__global__ void __launch_bounds__(kThreads) global_pool_kernel(View x, View y, int64_t area, int chunks, int64_t tasks) {
  Shared shared(shared_memory());
  const GlobalParts parts(shared);
  for_tasks(tasks, [&](int64_t task) {
    const int64_t image = task / chunks;
    const int chunk = static_cast<int>(task % chunks) * kChunk;
    const Spread spread(x.channels - chunk);
    const int channel = chunk + spread.vector * 4;
    float4 sum = splat(0);
    if (channel < x.channels) {
      for (int64_t p = spread.row; p < area; p += spread.rows) sum = sum + x.load(image * area + p, channel);
    }
    sum = sum_rows(spread, sum, parts.scratch);
    if (spread.row == 0 && channel < x.channels) {
      y.store(image, channel, map4(sum, [=](float s) { return s / static_cast<float>(area); }));
    }
  });
}

void global_forward(Stream& stream, const KernelCall& call) {
  const Tensor& x = call.inputs[0];
  const int chunks = static_cast<int>(divide_up(x.channels, kChunk));
  launch(CudaStream::of(stream), global_pool_kernel, {x.batch * chunks, shared_bytes<GlobalParts>()}, view_of(x),
         view_of(call.output), x.height * x.width, chunks, x.batch * chunks);
}

__global__ void __launch_bounds__(kThreads)
    global_unpool_kernel(View dy, View dx, int64_t area, bool accumulate, int64_t items) {
  const int vectors = (dx.channels + 3) / 4;
  const float share = 1.0f / static_cast<float>(area);
  for_grid(items, [&](int64_t item) {
    const int64_t pixel = item / vectors;
    const int channel = static_cast<int>(item % vectors) * 4;
    dx.add(pixel, channel, dy.load(pixel / area, channel) * splat(share), accumulate);
  });
}

void global_backward(Stream& stream, const KernelCall& call) {
  const Tensor& x = call.inputs[0];
  const GradientTarget& target = call.input_gradients[0];
  if (target.mode == GradientMode::kIgnore) return;
  launch(CudaStream::of(stream), global_unpool_kernel, elementwise(items_of(x)),
         view_of(call.output_gradient, x.channels), view_of(target.data, x.channels), x.height * x.width,
         target.mode == GradientMode::kAccumulate, items_of(x));
}

}  // namespace

const OpKernels max_pool_kernels = {pool_forward, pool_backward, pool_workspace_bytes};
const OpKernels avg_pool_kernels = {pool_forward, pool_backward, pool_workspace_bytes};
const OpKernels global_avg_pool_kernels = {global_forward, global_backward, nullptr};
const OpKernels pooled_moments_kernels = {.workspace_bytes = pooled_moments_workspace_bytes,
                                          .forward_group = pooled_moments_forward,
                                          .backward_group = pooled_moments_backward};

}  // namespace dartsmith::cuda
