// dropout: one pass over memory, four channels a thread.
#pragma once
#include "cuda/elementwise.cuh"
#include "engine/dropout.h"

namespace dartsmith::cuda::dropout {

using elementwise::kItemsATask;
using elementwise::Place;

// Forward, or backward with gradients: the mask is drawn again.
struct Dropout {
  View from, to;
  const DropoutSettings* settings;
  float rate;
  bool whole_samples;
  bool accumulate;
  uint32_t number;
  int64_t sample_pixels;
  int64_t items;
  int64_t first_task;
};

__device__ inline void drop_item(const Dropout& d, Index item) {
  const Dropping dropping(*d.settings, d.rate, d.whole_samples, d.number);
  const int channels = d.to.channels;
  const Place at(item, channels);
  float4 value = d.from.load(at.pixel, at.channel);
  if (d.whole_samples) {
    const uint32_t drawn = dropping.draw(at.pixel / static_cast<Index>(d.sample_pixels));
    value = map4(value, [&](float x) { return dropping.apply(x, drawn); });
  } else if (channels % 4 == 0) {
    const PhiloxBlock drawn = philox(dropping.stream, item);
    for (int i = 0; i < 4; ++i) cuda::at(value, i) = dropping.apply(cuda::at(value, i), drawn.word[i]);
  } else {
    const int64_t first = int64_t{at.pixel} * channels + at.channel;
    for (int i = 0; i < 4; ++i) cuda::at(value, i) = dropping.apply(cuda::at(value, i), dropping.draw(first + i));
  }
  d.to.add(at.pixel, at.channel, value, d.accumulate);
}

__device__ __forceinline__ void drop(const Group<Dropout>& group) {
  for_members(group, [&](const Dropout& d, Index task) {
    const Index item = task * static_cast<Index>(kItemsATask) + threadIdx.x;
    if (item < d.items) drop_item(d, item);
  });
}

}  // namespace dartsmith::cuda::dropout
