// maxPool, avgPool, and the way back through a pooling that nobody stored (pooledMoments).
#pragma once
#include "cuda/moments.cuh"
#include "cuda/pool_window.cuh"
#include "cuda/sample_dropout.cuh"

namespace dartsmith::cuda::pool {

struct PoolForward {
  PoolWindow window;
  View x, y;
  int64_t items;
  int64_t first_task;
};

template <Layout layout>
__device__ __forceinline__ void forward(const Group<PoolForward>& group) {
  for_members(group, [&](const PoolForward& f, Index task) {
    const int64_t item = task * kThreads + threadIdx.x;
    if (item >= f.items) return;
    const Index vectors = static_cast<Index>(f.x.channels + 3) / 4;
    const int channel = static_cast<int>(item % vectors) * 4;
    f.y.store<layout>(item / vectors, channel, f.window.value<layout>(f.x, item / vectors, channel));
  });
}

// --- Backward: of each output what it chose or averaged, then of each input the sum over the windows that hold it

// Nodes that measure one pooling of one tensor; their gradients are joined before they flow back through it.
struct PoolSet {
  PoolWindow window;
  View x;
  View gradients[kMembers];     // of each member's output
  const float* maps[kMembers];  // null for a gradient as it is
  SampleDropout dropouts[kMembers];
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
  int count;
  int64_t tasks, input_tasks;
  PoolSet sets[kMembers];  // `count` of them
};

// Sum over members of A * g + B * y + D.
template <Layout layout>
__device__ __forceinline__ float4 joined_gradient(const PoolSet& b, Index image, Index pixel, int channel, float4 y) {
  float4 sum = splat(0);
  for (int m = 0; m < b.members; ++m) {
    const float4 g = splat(b.dropouts[m].factor(image)) * b.gradients[m].load<layout>(pixel, channel);
    sum = sum + (b.maps[m] == nullptr ? g : GradientMap(b.maps[m], channel, b.x.channels)(g, y));
  }
  return sum;
}

// The first largest element of a window, in row order, a byte a channel; 255 for none.
template <Layout layout>
__device__ __forceinline__ unsigned choose(const PoolWindow& window, const View& x, Index image, int row, int column,
                                           int channel, float4 largest) {
  const PoolWindow::Span s = window.span(row, column);
  const int top = row * window.stride[0] - window.padding[0], left = column * window.stride[1] - window.padding[1];
  unsigned chosen = 0xffffffffu;
  for (int y = s.top; y < s.bottom; ++y) {
    for (int c = s.left; c < s.right; ++c) {
      float4 value = x.load<layout>(image + static_cast<Index>(y * window.in_width + c), channel);
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
template <Layout layout>
__device__ __forceinline__ float4 gather_gradient(const PoolSet& b, Index image, int row, int column, int channel) {
  const PoolWindow& w = b.window;
  const int vectors = (b.x.channels + 3) / 4;
  float4 sum = splat(0);
  for (int ky = 0; ky < w.kernel[0]; ++ky) {
    const int from_row = row + w.padding[0] - ky;
    if (from_row < 0 || from_row % w.stride[0] != 0 || from_row / w.stride[0] >= w.out_height) continue;
    for (int kx = 0; kx < w.kernel[1]; ++kx) {
      const int from_column = column + w.padding[1] - kx;
      if (from_column < 0 || from_column % w.stride[1] != 0 || from_column / w.stride[1] >= w.out_width) continue;
      const Index output = image * static_cast<Index>(w.out_height * w.out_width) +
                           static_cast<Index>(from_row / w.stride[0] * w.out_width + from_column / w.stride[1]);
      float4 share = b.shares.load<layout>(output, channel);
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

template <Layout layout>
__device__ __forceinline__ void share_gradient(const PoolSet& b, Index item) {
  const PoolWindow& w = b.window;
  const Index vectors = static_cast<Index>(b.x.channels + 3) / 4;
  const Index area = static_cast<Index>(w.out_height * w.out_width);
  const Index pixel = item / vectors, image = pixel / area;
  const int channel = static_cast<int>(item % vectors) * 4;
  const int within = static_cast<int>(pixel - image * area);
  const int row = within / w.out_width, column = within % w.out_width;
  const Index first = image * static_cast<Index>(w.in_height * w.in_width);
  const bool needs_value = w.takes_max || b.maps[0] != nullptr;
  const float4 value = needs_value ? w.value<layout>(b.x, first, row, column, channel) : splat(0);
  float4 share = joined_gradient<layout>(b, image, pixel, channel, value);
  if (w.takes_max) {
    b.choices[item] = choose<layout>(w, b.x, first, row, column, channel, value);
  } else {
    share = share * splat(w.reciprocal(w.span(row, column)));
  }
  b.shares.store<layout>(pixel, channel, share);
}

// The sum over all sets of a target.
template <Layout layout>
__device__ __forceinline__ void gather_input(const PoolSet* sets, Index item) {
  const PoolSet& lead = *sets;
  const PoolWindow& w = lead.window;
  const Index vectors = static_cast<Index>(lead.x.channels + 3) / 4;
  const Index area = static_cast<Index>(w.in_height * w.in_width);
  const Index pixel = item / vectors, image = pixel / area;
  const int channel = static_cast<int>(item % vectors) * 4;
  const int within = static_cast<int>(pixel - image * area);
  float4 gradient = splat(0);
  for (int i = 0; i < lead.sharing; ++i) {
    gradient = gradient + gather_gradient<layout>(sets[i], image, within / w.in_width, within % w.in_width, channel);
  }
  lead.target.add<layout>(pixel, channel, gradient, lead.accumulate);
}

template <Layout layout>
__device__ __forceinline__ void share_gradients(const PoolBackward& b) {
  for_tasks(b.tasks, [&](Index task) {
    int m = 0;
    while (m + 1 < b.count && task >= b.sets[m + 1].first_task) ++m;
    const int64_t item = (task - b.sets[m].first_task) * kThreads + threadIdx.x;
    if (item < b.sets[m].output_items) share_gradient<layout>(b.sets[m], item);
  });
}

template <Layout layout>
__device__ __forceinline__ void gather_inputs(const PoolBackward& b) {
  for_tasks(b.input_tasks, [&](Index task) {
    int m = 0;
    while (m + b.sets[m].sharing < b.count && task >= b.sets[m + b.sets[m].sharing].first_input_task) {
      m += b.sets[m].sharing;
    }
    const int64_t item = (task - b.sets[m].first_input_task) * kThreads + threadIdx.x;
    if (item < b.sets[m].input_items) gather_input<layout>(b.sets + m, item);
  });
}

}  // namespace dartsmith::cuda::pool
