// relu, and copies of windows (concat, crop): one pass over memory, four channels a thread.
#pragma once
#include "cuda/task.cuh"

namespace dartsmith::cuda::elementwise {

inline constexpr int64_t kItemsATask = kThreads;

// Where an item of a tensor lies: four channels of a pixel.
struct Place {
  Index pixel;
  int channel;

  __device__ Place(Index item, int channels) {
    const Index vectors = static_cast<Index>(channels + 3) / 4;
    pixel = item / vectors;
    channel = static_cast<int>(item % vectors) * 4;
  }
};

struct Relu {
  View from;  // x, or y in backward
  View gradient;
  View to;
  bool accumulate;
  int64_t items;
  int64_t first_task;
};

template <bool backward>
__device__ __forceinline__ void apply_relu(const Group<Relu>& group) {
  for_members(group, [&](const Relu& r, Index task) {
    const Index item = task * static_cast<Index>(kItemsATask) + threadIdx.x;
    if (item >= r.items) return;
    const Place at(item, r.to.channels);
    const float4 value = r.from.load(at.pixel, at.channel);
    if constexpr (!backward) {
      r.to.store(at.pixel, at.channel, relu(value));
    } else {
      r.to.add(at.pixel, at.channel, passed(value, r.gradient.load(at.pixel, at.channel)), r.accumulate);
    }
  });
}

// Copies between tensors of which one is a window of the other: rows, columns and channels from an offset.
struct WindowCopy {
  View from, to;
  int64_t batch;
  int height, width, channels;  // of what is copied
  int from_height, from_width, to_height, to_width;
  int from_top = 0, from_left = 0, from_channel = 0;
  int to_top = 0, to_left = 0, to_channel = 0;
  bool accumulate = false;
  int64_t first_task = 0;

  __host__ __device__ int64_t items() const { return batch * height * width * divide_up(channels, 4); }
};

__device__ inline void copy_item(const WindowCopy& copy, Index item) {
  const bool vectors = copy.from.channels % 4 == 0 && copy.to.channels % 4 == 0 && copy.from_channel % 4 == 0 &&
                       copy.to_channel % 4 == 0 && copy.channels % 4 == 0;
  const Place at(item, copy.channels);
  const Index line = at.pixel / static_cast<Index>(copy.width), height = static_cast<Index>(copy.height);
  const int column = static_cast<int>(at.pixel % static_cast<Index>(copy.width));
  const int row = static_cast<int>(line % height);
  const int64_t image = line / height;
  const int64_t from = (image * copy.from_height + row + copy.from_top) * copy.from_width + column + copy.from_left;
  const int64_t to = (image * copy.to_height + row + copy.to_top) * copy.to_width + column + copy.to_left;
  if (vectors) {
    copy.to.add(to, at.channel + copy.to_channel, copy.from.load(from, at.channel + copy.from_channel),
                copy.accumulate);
    return;
  }
  for (int i = at.channel; i < at.channel + 4 && i < copy.channels; ++i) {
    copy.to.add(to * copy.to.channels + copy.to_channel + i,
                copy.from.get(from * copy.from.channels + copy.from_channel + i), copy.accumulate);
  }
}

__device__ __forceinline__ void copy_windows(const Group<WindowCopy>& group) {
  for_members(group, [&](const WindowCopy& copy, Index task) {
    const Index item = task * static_cast<Index>(kItemsATask) + threadIdx.x;
    if (item < copy.items()) copy_item(copy, item);
  });
}

}  // namespace dartsmith::cuda::elementwise
