// maxPool, avgPool, globalAvgPool, and pooledMoments: the statistics of lazy batch-norms of a pooling that nobody
// stores.
#include <algorithm>
#include <functional>
#include <vector>

#include "cuda/kernels.h"
#include "cuda/moments.h"
#include "cuda/pool.h"

namespace dartsmith::cuda {
namespace {

int64_t items_of(const Tensor& tensor) {
  return pixels_of(tensor) * divide_up(tensor.channels, 4);
}

struct PoolForward {
  PoolWindow window;
  View x, y;
  int64_t items;
  int64_t first_task;
};

__global__ void __launch_bounds__(kThreads) pool_forward_kernel(const __grid_constant__ Group<PoolForward> group) {
  for_members(group, [&](const PoolForward& f, Index task) {
    const int64_t item = task * kThreads + threadIdx.x;
    if (item >= f.items) return;
    const Index vectors = static_cast<Index>(f.x.channels + 3) / 4;
    const int channel = static_cast<int>(item % vectors) * 4;
    f.y.store(item / vectors, channel, f.window.value(f.x, item / vectors, channel));
  });
}

void pool_forward(Stream& stream, const KernelCall* calls, int count) {
  for_parts(calls, count, [&](const KernelCall* part, int size) {
    Group<PoolForward> group;
    for (const KernelCall* call = part; call < part + size; ++call) {
      const PoolWindow window(*call->node, call->node->op, call->inputs[0], call->output.height, call->output.width);
      const int64_t items = items_of(call->output);
      group.add({window, view_of(call->inputs[0]), view_of(call->output), items, 0}, divide_up(items, kThreads));
    }
    launch(CudaStream::of(stream), pool_forward_kernel, {group.tasks}, group);
  });
}

// --- Backward: of each output what it chose or averaged, then of each input the sum over the windows that hold it

// Nodes that measure one pooling of one tensor; their gradients are joined before they flow back through it.
struct PoolSet {
  PoolWindow window;
  View x;
  View gradients[kMembers];     // of each member's output
  const float* maps[kMembers];  // null for a gradient as it is
  int members;
  View shares;        // workspace: of each output, the gradient of what it chose or of each that it averaged
  unsigned* choices;  // workspace: of each output, the elements of its window that it chose, a byte a channel
  View target;
  bool accumulate;
  int sharing;  // sets of one target, this and those behind it; 0 behind the first
  int64_t output_items, input_items;
  int64_t first_task, first_input_task;
};

struct PoolBackward {
  PoolSet sets[kMembers];
  int count;
  int64_t tasks, input_tasks;
};

// Sum over members of A * g + B * y + D.
__device__ float4 joined_gradient(const PoolSet& b, int64_t pixel, int channel, float4 y) {
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
__device__ float4 gather_gradient(const PoolSet& b, int64_t image, int row, int column, int channel) {
  const PoolWindow& w = b.window;
  const int vectors = (b.x.channels + 3) / 4;
  float4 sum = splat(0);
  for (int ky = 0; ky < w.kernel[0]; ++ky) {
    const int from_row = row + w.padding[0] - ky;
    if (from_row < 0 || from_row % w.stride[0] != 0 || from_row / w.stride[0] >= w.out_height) continue;
    for (int kx = 0; kx < w.kernel[1]; ++kx) {
      const int from_column = column + w.padding[1] - kx;
      if (from_column < 0 || from_column % w.stride[1] != 0 || from_column / w.stride[1] >= w.out_width) continue;
      const int64_t output = (image * w.out_height + from_row / w.stride[0]) * w.out_width + from_column / w.stride[1];
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

__device__ void share_gradient(const PoolSet& b, Index item) {
  const PoolWindow& w = b.window;
  const Index vectors = static_cast<Index>(b.x.channels + 3) / 4;
  const Index area = static_cast<Index>(w.out_height * w.out_width);
  const Index pixel = item / vectors, image = pixel / area;
  const int channel = static_cast<int>(item % vectors) * 4;
  const int within = static_cast<int>(pixel - image * area);
  const int row = within / w.out_width, column = within % w.out_width;
  const int64_t first = int64_t{image} * w.in_height * w.in_width;
  const bool needs_value = w.takes_max || b.maps[0] != nullptr;
  const float4 value = needs_value ? w.value(b.x, first, row, column, channel) : splat(0);
  float4 share = joined_gradient(b, pixel, channel, value);
  if (w.takes_max) {
    b.choices[item] = choose(w, b.x, first, row, column, channel, value);
  } else {
    share = share * splat(w.reciprocal(w.span(row, column)));
  }
  b.shares.store(pixel, channel, share);
}

// The sum over all sets of a target.
__device__ void gather_input(const PoolSet* sets, Index item) {
  const PoolSet& lead = *sets;
  const PoolWindow& w = lead.window;
  const Index vectors = static_cast<Index>(lead.x.channels + 3) / 4;
  const Index area = static_cast<Index>(w.in_height * w.in_width);
  const Index pixel = item / vectors, image = pixel / area;
  const int channel = static_cast<int>(item % vectors) * 4;
  const int within = static_cast<int>(pixel - image * area);
  float4 gradient = splat(0);
  for (int i = 0; i < lead.sharing; ++i) {
    gradient = gradient + gather_gradient(sets[i], image, within / w.in_width, within % w.in_width, channel);
  }
  lead.target.add(pixel, channel, gradient, lead.accumulate);
}

__global__ void __launch_bounds__(kThreads) pool_backward_kernel(const __grid_constant__ PoolBackward b) {
  for_tasks(b.tasks, [&](Index task) {
    int m = 0;
    while (m + 1 < b.count && task >= b.sets[m + 1].first_task) ++m;
    const int64_t item = (task - b.sets[m].first_task) * kThreads + threadIdx.x;
    if (item < b.sets[m].output_items) share_gradient(b.sets[m], item);
  });
  wait_for_grid();
  for_tasks(b.input_tasks, [&](Index task) {
    int m = 0;
    while (m + b.sets[m].sharing < b.count && task >= b.sets[m + b.sets[m].sharing].first_input_task) {
      m += b.sets[m].sharing;
    }
    const int64_t item = (task - b.sets[m].first_input_task) * kThreads + threadIdx.x;
    if (item < b.sets[m].input_items) gather_input(b.sets + m, item);
  });
}

// Where the workspace of backward holds what, in bytes; `pooled` has the pooled shape.
struct Workspace {
  int64_t choices, bytes;
  Workspace(const KernelCall& call, const Tensor& pooled)
      : choices(round_up(pixels_of(pooled) * pooled.channels * element_bytes(call.gradient_precision), 16)),
        bytes(choices + items_of(pooled) * static_cast<int64_t>(sizeof(unsigned))) {}
};

PoolSet set_of(const KernelCall& call, Op pool, const Tensor& pooled) {
  PoolSet set{};
  set.window = {*call.node, pool, call.inputs[0], pooled.height, pooled.width};
  set.x = view_of(call.inputs[0]);
  set.shares = view_of(static_cast<float*>(call.workspace), pooled.channels, call.gradient_precision);
  set.choices =
      reinterpret_cast<unsigned*>(static_cast<unsigned char*>(call.workspace) + Workspace(call, pooled).choices);
  set.target = input_gradient_of(call, 0);
  set.accumulate = call.input_gradients[0].mode == GradientMode::kAccumulate;
  set.output_items = items_of(pooled);
  set.input_items = items_of(call.inputs[0]);
  return set;
}

void join(PoolSet& set, const KernelCall& call) {
  set.gradients[set.members] = output_gradient_of(call);
  set.maps[set.members] = call.output_gradient_map;
  ++set.members;
}

void start_backward(Stream& stream, const PoolSet* sets, int count) {
  PoolBackward b{};
  b.count = count;
  int lead = 0;
  for (int m = 0; m < count; ++m) {
    PoolSet& set = b.sets[m];
    set = sets[m];
    set.first_task = b.tasks;
    b.tasks += divide_up(set.output_items, kThreads);
    if (m > 0 && set.target.data == b.sets[lead].target.data) {
      ++b.sets[lead].sharing;
      continue;
    }
    lead = m;
    set.sharing = 1;
    set.first_input_task = b.input_tasks;
    b.input_tasks += divide_up(set.input_items, kThreads);
  }
  launch_cooperative(CudaStream::of(stream), pool_backward_kernel, {larger(b.tasks, b.input_tasks)}, b);
}

// Sets of one target side by side, so many a launch; a launch that goes on with a target adds to it.
void start_backward(Stream& stream, std::vector<PoolSet>& sets) {
  std::ranges::stable_sort(sets, std::less<>(), [](const PoolSet& set) { return set.target.data; });
  for (size_t first = 0; first < sets.size(); first += kMembers) {
    if (first > 0 && sets[first].target.data == sets[first - 1].target.data) sets[first].accumulate = true;
    start_backward(stream, sets.data() + first, static_cast<int>(std::min<size_t>(kMembers, sets.size() - first)));
  }
}

void pool_backward(Stream& stream, const KernelCall* calls, int count) {
  std::vector<PoolSet> sets;
  for (const KernelCall* call = calls; call < calls + count; ++call) {
    if (call->input_gradients[0].mode == GradientMode::kIgnore) continue;
    join(sets.emplace_back(set_of(*call, call->node->op, call->output)), *call);
  }
  start_backward(stream, sets);
}

size_t pool_workspace_bytes(const KernelCall& call, bool backward) {
  return backward ? static_cast<size_t>(Workspace(call, call.output).bytes) : 0;
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

// Nodes that measure one pooling of one tensor: it is pooled once, each moves its own running statistics.
struct PooledMoments {
  PoolWindow window;
  View x;
  Normalisation norms[kMembers];
  int members;
  Partials partials;
  int64_t pixels;
  int chunks;
  int64_t first_task;

  __device__ __forceinline__ int count(Index piece) const {
    return static_cast<int>(smaller(kPooledPixels, pixels - piece * kPooledPixels));
  }
};

__device__ void measure_piece(const PooledMoments& m, Index task, const PooledParts& parts) {
  const Index piece = task / m.chunks, first = piece * kPooledPixels;
  const int chunk = static_cast<int>(task % m.chunks) * kChunk;
  const Spread spread(m.x.channels - chunk);
  const int channel = chunk + spread.vector * 4;
  for (int p = spread.row; p < m.count(piece) && channel < m.x.channels; p += spread.rows) {
    parts.piece[p * spread.vectors + spread.vector] = m.window.value(m.x, first + p, channel);
  }
  __syncthreads();
  piece_moments(
      spread, m.count(piece), channel, [&](int p) { return parts.piece[p * spread.vectors + spread.vector]; },
      parts.scratch, m.partials, piece);
}

__global__ void __launch_bounds__(kThreads)
    pooled_moments_forward_kernel(const __grid_constant__ Group<PooledMoments> group) {
  Shared shared(shared_memory());
  const PooledParts parts(shared);
  if (group.members[0].norms[0].statistics != Statistics::kRunning) {
    for_members(group, [&](const PooledMoments& m, Index task) { measure_piece(m, task, parts); });
  }
  wait_for_grid();
  for (int i = 0; i < group.count; ++i) {
    const PooledMoments& m = group.members[i];
    for_warps(int64_t{m.members} * m.x.channels, [&](Index item) {
      finish_moments(m.norms[item / static_cast<Index>(m.x.channels)], m.partials,
                     static_cast<int>(item % static_cast<Index>(m.x.channels)), static_cast<double>(m.pixels),
                     [&](Index piece) { return m.count(piece); });
    });
  }
}

// Whether two nodes measure the same pooling of the same tensor.
bool same_pooling(const KernelCall& a, const KernelCall& b) {
  return a.inputs[0].data == b.inputs[0].data && a.node->pool == b.node->pool && a.node->window == b.node->window &&
         a.node->count_include_pad == b.node->count_include_pad;
}

// Calls body(calls, count) for each run of calls that measure the same pooling, as many as a set holds.
template <typename Body>
void for_sets(const KernelCall* calls, int count, const Body& body) {
  for (int first = 0; first < count;) {
    int next = first + 1;
    while (next < count && next - first < kMembers && same_pooling(calls[first], calls[next])) ++next;
    body(calls + first, next - first);
    first = next;
  }
}

void pooled_moments_forward(Stream& stream, const KernelCall* calls, int count) {
  Group<PooledMoments> group;
  const auto start = [&] {
    launch_cooperative(CudaStream::of(stream), pooled_moments_forward_kernel,
                       {group.tasks, shared_bytes<PooledParts>()}, group);
    group = {};
  };
  for_sets(calls, count, [&](const KernelCall* set, int members) {
    if (group.count == kMembers) start();
    const Tensor& x = set->inputs[0];
    PooledMoments m{};
    m.window = {*set->node, set->node->pool, x, x.height, x.width};
    m.x = view_of(x);
    m.members = members;
    for (int i = 0; i < members; ++i) m.norms[i] = normalisation_of(set[i]);
    m.pixels = pixels_of(x);
    m.chunks = static_cast<int>(divide_up(x.channels, kChunk));
    m.partials = {static_cast<float*>(set->workspace), static_cast<int>(x.channels),
                  divide_up(m.pixels, kPooledPixels)};
    group.add(m, m.partials.pieces * m.chunks);
  });
  start();
}

void pooled_moments_backward(Stream& stream, const KernelCall* calls, int count) {
  std::vector<PoolSet> sets;
  for_sets(calls, count, [&](const KernelCall* first, int members) {
    if (first->input_gradients[0].data == nullptr) return;
    PoolSet& set = sets.emplace_back(set_of(*first, first->node->pool, first->inputs[0]));
    for (int i = 0; i < members; ++i) join(set, first[i]);
  });
  start_backward(stream, sets);
}

size_t pooled_moments_workspace_bytes(const KernelCall& call, bool backward) {
  const Tensor& x = call.inputs[0];
  if (backward) return static_cast<size_t>(Workspace(call, x).bytes);
  return static_cast<size_t>(divide_up(pixels_of(x), kPooledPixels) * 2 * x.channels) * sizeof(float);
}

// --- globalAvgPool

Work elementwise(int64_t items) {
  return {divide_up(items, kThreads)};
}

struct GlobalParts {
  float4* scratch;
  __host__ __device__ explicit GlobalParts(Shared& shared) : scratch(shared.take<float4>(kWarps * kChunk / 4)) {}
};

// One block an image and chunk of channels.
__global__ void __launch_bounds__(kThreads)
    global_pool_kernel(View x, View y, int64_t area, int chunks, int64_t tasks) {
  Shared shared(shared_memory());
  const GlobalParts parts(shared);
  for_tasks(tasks, [&](Index task) {
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
  const Index vectors = static_cast<Index>(dx.channels + 3) / 4;
  const float share = 1.0f / static_cast<float>(area);
  for_grid(items, [&](Index item) {
    const Index pixel = item / vectors;
    const int channel = static_cast<int>(item % vectors) * 4;
    dx.add(pixel, channel, dy.load(pixel / static_cast<Index>(area), channel) * splat(share), accumulate);
  });
}

void global_backward(Stream& stream, const KernelCall& call) {
  const Tensor& x = call.inputs[0];
  const GradientTarget& target = call.input_gradients[0];
  if (target.mode == GradientMode::kIgnore) return;
  launch(CudaStream::of(stream), global_unpool_kernel, elementwise(items_of(x)), output_gradient_of(call),
         input_gradient_of(call, 0), x.height * x.width, target.mode == GradientMode::kAccumulate, items_of(x));
}

}  // namespace

const OpKernels max_pool_kernels = {.workspace_bytes = pool_workspace_bytes,
                                    .groups_inputs = true,
                                    .sums_inputs = true,
                                    .forward_group = pool_forward,
                                    .backward_group = pool_backward};
const OpKernels avg_pool_kernels = max_pool_kernels;
const OpKernels global_avg_pool_kernels = {global_forward, global_backward, nullptr};
const OpKernels pooled_moments_kernels = {.workspace_bytes = pooled_moments_workspace_bytes,
                                          .groups_inputs = true,
                                          .sums_inputs = true,
                                          .forward_group = pooled_moments_forward,
                                          .backward_group = pooled_moments_backward};

}  // namespace dartsmith::cuda
