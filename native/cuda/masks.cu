// Masks that stay the same over a sequence, and variationalDropout, which multiplies by one.
#include "cuda/elementwise.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "cuda/masks.h"
#include "engine/dropout.h"

namespace dartsmith::cuda {
namespace {

using elementwise::Place;

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

void forward(Stream& stream, const KernelCall& call) {
  multiply(stream, call, view_of(call.inputs[0]), view_of(call.output), GradientMode::kOverwrite);
}

void backward(Stream& stream, const KernelCall& call) {
  multiply(stream, call, output_gradient_of(call), input_gradient_of(call, 0), call.input_gradients[0].mode);
}

}  // namespace

void draw_mask(Stream& stream, float* mask, int64_t count, const MaskAttributes& attributes,
               const DropoutSettings* settings) {
  launch(CudaStream::of(stream), draw_mask_kernel, a_thread_each(divide_up(count, 4)), mask, count, attributes,
         settings);
}

const OpKernels variational_dropout_kernels = {forward, backward, nullptr};

}  // namespace dartsmith::cuda
