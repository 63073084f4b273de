// dropout, of elements or of whole samples: the mask is drawn again on the way back.
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

}  // namespace

const OpKernels dropout_kernels = {forward, backward, nullptr};

}  // namespace dartsmith::cuda
