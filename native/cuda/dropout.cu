// dropout, of elements or of whole samples, whose mask is drawn again on the way back; masks that stay the same over a
// sequence, and variationalDropout, which multiplies by one.
#include "cuda/dropout.h"
#include "cuda/elementwise.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "engine/dropout.h"

namespace dartsmith::cuda {
namespace {

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

__global__ void __launch_bounds__(kThreads) dropout_kernel(DARTSMITH_ARGUMENT(Group<Dropout>) group) {
  begin_kernel();
  for_members(group, [&](const Dropout& d, Index task) {
    const Index item = task * static_cast<Index>(kItemsATask) + threadIdx.x;
    if (item < d.items) drop_item(d, item);
  });
}

void start(Stream& stream, const KernelCall& call, const View& from, const View& to, bool accumulate) {
  const auto& [rate, whole_samples, number] = attributes_of<DropoutAttributes>(call);
  const Tensor& out = call.output;
  Group<Dropout> group;
  group.add({from, to, call.dropout, rate, whole_samples, accumulate, static_cast<uint32_t>(number),
             out.height * out.width, items_of(out), 0},
            divide_up(items_of(out), kItemsATask));
  launch(CudaStream::of(stream), KernelOf<Group<Dropout>>{dropout_kernel}, {group.tasks}, group);
}

void forward(Stream& stream, const KernelCall& call) {
  start(stream, call, view_of(call.inputs[0]), view_of(call.output), false);
}

void backward(Stream& stream, const KernelCall& call) {
  const GradientMode mode = call.input_gradients[0].mode;
  if (mode == GradientMode::kIgnore) return;
  start(stream, call, output_gradient_of(call), input_gradient_of(call, 0), mode == GradientMode::kAccumulate);
}

// --- Masks that stay

__global__ void __launch_bounds__(kThreads)
    draw_mask_kernel(float* mask, int64_t count, MaskAttributes attributes, const DropoutSettings* settings) {
  begin_kernel();
  const Dropping dropping(*settings, attributes.rate, false, static_cast<uint32_t>(attributes.number));
  for_grid(divide_up(count, 4), [&](Index block) {
    const PhiloxBlock drawn = philox(dropping.stream, block);
    const int64_t first = 4 * int64_t{block};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (first + i < count) mask[first + i] = dropping.apply(1, drawn.word[i]);
    }
  });
}

__global__ void __launch_bounds__(kThreads)
    multiply_kernel(View from, View to, const float* mask, Index columns, int64_t items, bool accumulate) {
  begin_kernel();
  for_grid(items, [&](Index item) {
    const Place at(item, to.channels);
    float4 value = from.load(at.pixel, at.channel);
    if (mask != nullptr) {
      value = value * channel_values(mask + int64_t{at.pixel % columns} * to.channels, at.channel, to.channels);
    }
    to.add(at.pixel, at.channel, value, accumulate);
  });
}

void multiply(Stream& stream, const KernelCall& call, const View& from, const View& to, GradientMode mode) {
  if (mode == GradientMode::kIgnore) return;
  const int64_t items = items_of(call.output);
  launch(CudaStream::of(stream), multiply_kernel, a_thread_each(items), from, to, call.sequence->masks[0],
         static_cast<Index>(call.sequence->columns), items, mode == GradientMode::kAccumulate);
}

void variational_forward(Stream& stream, const KernelCall& call) {
  multiply(stream, call, view_of(call.inputs[0]), view_of(call.output), GradientMode::kOverwrite);
}

void variational_backward(Stream& stream, const KernelCall& call) {
  multiply(stream, call, output_gradient_of(call), input_gradient_of(call, 0), call.input_gradients[0].mode);
}

}  // namespace

void draw_mask(Stream& stream, float* mask, int64_t count, const MaskAttributes& attributes,
               const DropoutSettings* settings) {
  launch(CudaStream::of(stream), draw_mask_kernel, a_thread_each(divide_up(count, 4)), mask, count, attributes,
         settings);
}

const OpKernels dropout_kernels = {forward, backward, nullptr};
const OpKernels variational_dropout_kernels = {variational_forward, variational_backward, nullptr};

}  // namespace dartsmith::cuda
