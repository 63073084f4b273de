// tanh, sigmoid, scale, noise: each element from the one at its place.
#include <cmath>

#include "cpu/elementwise.h"
#include "cpu/kernels.h"
#include "engine/noise.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

// target (=|+=) value(i) over all elements of the output.
template <typename Value>
void map_each(Stream& stream, const KernelCall& call, float* target, GradientMode mode, const Value& value) {
  if (mode == GradientMode::kIgnore) return;
  parallel_ranges(stream, elements_of(call.output), kElementGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) target[i] = value(i) + (mode == GradientMode::kAccumulate ? target[i] : 0);
  });
}

void tanh_forward(Stream& stream, const KernelCall& call) {
  const float* x = call.inputs[0].data;
  map_each(stream, call, call.output.data, GradientMode::kOverwrite, [&](int64_t i) { return tanhf(x[i]); });
}

void tanh_backward(Stream& stream, const KernelCall& call) {
  const float *y = call.output.data, *dy = call.output_gradient;
  const GradientTarget& target = call.input_gradients[0];
  map_elements(stream, elements_of(call.output), target.data, target.mode, [&](int64_t i, Lanes lanes) {
    const Vec value = load_first(y + i, lanes);
    return load_first(dy + i, lanes) * (splat(1) - value * value);
  });
}

void sigmoid_forward(Stream& stream, const KernelCall& call) {
  const float* x = call.inputs[0].data;
  map_each(stream, call, call.output.data, GradientMode::kOverwrite,
           [&](int64_t i) { return static_cast<float>(1 / (1 + exp(-double{x[i]}))); });
}

void sigmoid_backward(Stream& stream, const KernelCall& call) {
  const float *y = call.output.data, *dy = call.output_gradient;
  const GradientTarget& target = call.input_gradients[0];
  map_elements(stream, elements_of(call.output), target.data, target.mode, [&](int64_t i, Lanes lanes) {
    const Vec value = load_first(y + i, lanes);
    return load_first(dy + i, lanes) * value * (splat(1) - value);
  });
}

void scale_into(Stream& stream, const KernelCall& call, const float* from, float* target, GradientMode mode) {
  const Vec factor = splat(attributes_of<ScaleAttributes>(call).factor);
  map_elements(stream, elements_of(call.output), target, mode,
               [&](int64_t i, Lanes lanes) { return factor * load_first(from + i, lanes); });
}

void scale_forward(Stream& stream, const KernelCall& call) {
  scale_into(stream, call, call.inputs[0].data, call.output.data, GradientMode::kOverwrite);
}

void scale_backward(Stream& stream, const KernelCall& call) {
  const GradientTarget& target = call.input_gradients[0];
  scale_into(stream, call, call.output_gradient, target.data, target.mode);
}

void noise_forward(Stream& stream, const KernelCall& call) {
  const Noise noise(*call.dropout, attributes_of<NoiseAttributes>(call));
  const float* x = call.inputs[0].data;
  map_each(stream, call, call.output.data, GradientMode::kOverwrite, [&](int64_t i) { return noise.add(x[i], i); });
}

void noise_backward(Stream& stream, const KernelCall& call) {
  const GradientTarget& target = call.input_gradients[0];
  map_elements(stream, elements_of(call.output), target.data, target.mode,
               [&](int64_t i, Lanes lanes) { return load_first(call.output_gradient + i, lanes); });
}

}  // namespace

constinit const OpKernels tanh_kernels = {tanh_forward, tanh_backward, nullptr};
constinit const OpKernels sigmoid_kernels = {sigmoid_forward, sigmoid_backward, nullptr};
constinit const OpKernels scale_kernels = {scale_forward, scale_backward, nullptr};
constinit const OpKernels noise_kernels = {noise_forward, noise_backward, nullptr};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
