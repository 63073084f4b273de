// tanh, sigmoid, scale, noise: each element from the one at its place.
#include "cuda/elementwise.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "engine/noise.h"

namespace dartsmith::cuda {
namespace {

using elementwise::kItemsATask;
using elementwise::Place;

// Maps give four channels from those of `from` and, backward, of `value` at the same place.
struct Tanh {
  __device__ float4 operator()(float4 x, float4, const Place&, int) const {
    return map4(x, [](float one) { return tanhf(one); });
  }
};

struct TanhSlope {
  __device__ float4 operator()(float4 gradient, float4 y, const Place&, int) const {
    return map4(gradient, y, [](float one, float value) { return one * (1 - value * value); });
  }
};

struct Sigmoid {
  __device__ float4 operator()(float4 x, float4, const Place&, int) const {
    return map4(x, [](float one) { return static_cast<float>(1 / (1 + exp(-static_cast<double>(one)))); });
  }
};

struct SigmoidSlope {
  __device__ float4 operator()(float4 gradient, float4 y, const Place&, int) const {
    return map4(gradient, y, [](float one, float value) { return one * value * (1 - value); });
  }
};

struct Scale {
  float factor;
  __device__ float4 operator()(float4 x, float4, const Place&, int) const {
    return map4(x, [this](float one) { return factor * one; });
  }
};

struct AddNoise {
  const DropoutSettings* settings;
  NoiseAttributes attributes;
  __device__ float4 operator()(float4 x, float4, const Place& place, int channels) const {
    const Noise noise(*settings, attributes);
    const int64_t first = int64_t{place.pixel} * channels + place.channel;
    for (int i = 0; i < 4; ++i) at(x, i) = noise.add(at(x, i), first + i);
    return x;
  }
};

struct Same {
  __device__ float4 operator()(float4 x, float4, const Place&, int) const { return x; }
};

template <typename Map>
__global__ void __launch_bounds__(kThreads)
    map_kernel(View from, View value, View to, bool accumulate, int64_t items, Map map) {
  begin_kernel();
  for_grid(items, [&](Index item) {
    const Place place(item, to.channels);
    const float4 x = from.load(place.pixel, place.channel);
    const float4 y = value.data == nullptr ? x : value.load(place.pixel, place.channel);
    to.add(place.pixel, place.channel, map(x, y, place, to.channels), accumulate);
  });
}

template <typename Map>
void start(Stream& stream, const KernelCall& call, const View& from, const View& value, const View& to, bool accumulate,
           const Map& map) {
  const int64_t items = items_of(call.output);
  launch(CudaStream::of(stream), map_kernel<Map>, {divide_up(items, kItemsATask)}, from, value, to, accumulate, items,
         map);
}

template <typename Map>
void forward(Stream& stream, const KernelCall& call, const Map& map) {
  start(stream, call, view_of(call.inputs[0]), View{}, view_of(call.output), false, map);
}

template <typename Map>
void backward(Stream& stream, const KernelCall& call, bool reads_value, const Map& map) {
  const GradientMode mode = call.input_gradients[0].mode;
  if (mode == GradientMode::kIgnore) return;
  start(stream, call, output_gradient_of(call), reads_value ? view_of(call.output) : View{}, input_gradient_of(call, 0),
        mode == GradientMode::kAccumulate, map);
}

Scale scale_of(const KernelCall& call) {
  return {attributes_of<ScaleAttributes>(call).factor};
}

}  // namespace

const OpKernels tanh_kernels = {
    [](Stream& stream, const KernelCall& call) { forward(stream, call, Tanh{}); },
    [](Stream& stream, const KernelCall& call) { backward(stream, call, true, TanhSlope{}); }, nullptr};

const OpKernels sigmoid_kernels = {
    [](Stream& stream, const KernelCall& call) { forward(stream, call, Sigmoid{}); },
    [](Stream& stream, const KernelCall& call) { backward(stream, call, true, SigmoidSlope{}); }, nullptr};

const OpKernels scale_kernels = {
    [](Stream& stream, const KernelCall& call) { forward(stream, call, scale_of(call)); },
    [](Stream& stream, const KernelCall& call) { backward(stream, call, false, scale_of(call)); }, nullptr};

const OpKernels noise_kernels = {[](Stream& stream, const KernelCall& call) {
                                   forward(stream, call, AddNoise{call.dropout, attributes_of<NoiseAttributes>(call)});
                                 },
                                 [](Stream& stream, const KernelCall& call) { backward(stream, call, false, Same{}); },
                                 nullptr};

}  // namespace dartsmith::cuda
