// conv2d: depthwise over padded tiles, 1x1 as products of pixels, everything else as row products; linear is a 1x1
// convolution of one pixel.
#include "cpu/depthwise.h"
#include "cpu/kernels.h"
#include "cpu/pointwise.h"
#include "cpu/product.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

const Window& window_of(const KernelCall& call) {
  return attributes_of<Conv2dAttributes>(call).window;
}

int groups_of(const KernelCall& call) {
  return attributes_of<Conv2dAttributes>(call).groups;
}

bool is_depthwise(const KernelCall& call) {
  return groups_of(call) == call.inputs[0].channels && call.output.channels == call.inputs[0].channels;
}

int64_t taps_of(const Window& window) {
  return int64_t{window.kernel[0]} * window.kernel[1];
}

// Sizes of one group of a dense convolution.
struct Group {
  int64_t inputs;
  int64_t outputs;
};

Group group_of(const KernelCall& call) {
  const int64_t groups = groups_of(call);
  return {call.inputs[0].channels / groups, call.output.channels / groups};
}

void dense_forward(Stream& stream, const KernelCall& call) {
  const Tensor &in = call.inputs[0], &out = call.output;
  const WindowMap map = forward_map(window_of(call), in, out);
  const Group group = group_of(call);
  for (int g = 0; g < groups_of(call); ++g) {
    row_product(stream, map,
                {.source = in.data + g * group.inputs,
                 .source_channels = in.channels,
                 .target = out.data + g * group.outputs,
                 .target_channels = out.channels,
                 .target_height = out.height,
                 .target_width = out.width,
                 .batch = in.batch,
                 .matrix = call.weight + g * group.outputs,
                 .matrix_tap_stride = group.inputs * out.channels,
                 .matrix_row_stride = out.channels,
                 .depth = group.inputs,
                 .width = group.outputs,
                 .kernel_columns = window_of(call).kernel[1],
                 .mode = GradientMode::kOverwrite});
  }
}

void dense_input_gradient(Stream& stream, const KernelCall& call) {
  const Tensor &in = call.inputs[0], &out = call.output;
  const Group group = group_of(call);
  auto* transposed = static_cast<float*>(call.workspace);
  transpose(call.weight, taps_of(window_of(call)), group.inputs, out.channels, transposed);
  for_backward_maps(window_of(call), in, out, [&](const WindowMap& map) {
    for (int g = 0; g < groups_of(call); ++g) {
      row_product(stream, map,
                  {.source = call.output_gradient + g * group.outputs,
                   .source_channels = out.channels,
                   .target = call.input_gradients[0].data + g * group.inputs,
                   .target_channels = in.channels,
                   .target_height = in.height,
                   .target_width = in.width,
                   .batch = in.batch,
                   .matrix = transposed + g * group.outputs * group.inputs,
                   .matrix_tap_stride = out.channels * group.inputs,
                   .matrix_row_stride = group.inputs,
                   .depth = group.outputs,
                   .width = group.inputs,
                   .kernel_columns = window_of(call).kernel[1],
                   .mode = call.input_gradients[0].mode});
    }
  });
}

void dense_weight_gradient(Stream& stream, const KernelCall& call) {
  const Tensor &in = call.inputs[0], &out = call.output;
  const WindowMap map = forward_map(window_of(call), in, out);
  const Group group = group_of(call);
  for (int g = 0; g < groups_of(call); ++g) {
    row_correlation(stream, map,
                    {.source = in.data + g * group.inputs,
                     .source_channels = in.channels,
                     .output_gradient = call.output_gradient + g * group.outputs,
                     .output_channels = out.channels,
                     .batch = in.batch,
                     .gradient = call.weight_gradient + g * group.outputs,
                     .gradient_row_stride = out.channels,
                     .depth = group.inputs,
                     .width = group.outputs,
                     .kernel_columns = window_of(call).kernel[1],
                     .taps = taps_of(window_of(call))},
                    static_cast<float*>(call.workspace));
  }
}

DepthwiseWalk depthwise_call(const KernelCall& call, const float* source, float* target, const Tensor& shape,
                             GradientMode mode) {
  return {.source = source,
          .target = target,
          .weights = call.weight,
          .batch = shape.batch,
          .channels = shape.channels,
          .target_height = shape.height,
          .target_width = shape.width,
          .kernel_columns = window_of(call).kernel[1],
          .mode = mode};
}

void forward(Stream& stream, const KernelCall& call) {
  if (is_pointwise(call)) return pointwise_forward(stream, call);
  if (!is_depthwise(call)) return dense_forward(stream, call);
  depthwise_walk(stream, forward_map(window_of(call), call.inputs[0], call.output),
                 depthwise_call(call, call.inputs[0].data, call.output.data, call.output, GradientMode::kOverwrite));
}

void depthwise_backward(Stream& stream, const KernelCall& call) {
  const Tensor &in = call.inputs[0], &out = call.output;
  const GradientTarget& target = call.input_gradients[0];
  if (target.mode != GradientMode::kIgnore) {
    for_backward_maps(window_of(call), in, out, [&](const WindowMap& map) {
      depthwise_walk(stream, map, depthwise_call(call, call.output_gradient, target.data, in, target.mode));
    });
  }
  if (call.weight_gradient != nullptr) {
    depthwise_weight_gradient(stream, forward_map(window_of(call), in, out), in, call.output_gradient,
                              window_of(call).kernel[1], taps_of(window_of(call)), call.weight_gradient,
                              static_cast<float*>(call.workspace));
  }
}

void backward(Stream& stream, const KernelCall& call) {
  if (is_pointwise(call)) return pointwise_backward(stream, call);
  if (is_depthwise(call)) return depthwise_backward(stream, call);
  if (call.input_gradients[0].mode != GradientMode::kIgnore) dense_input_gradient(stream, call);
  if (call.weight_gradient != nullptr) dense_weight_gradient(stream, call);
}

size_t workspace_bytes(const KernelCall& call, bool backward) {
  if (is_pointwise(call)) return pointwise_workspace_bytes(call, backward);
  if (!backward) return 0;
  const Tensor& in = call.inputs[0];
  const WindowMap map = forward_map(window_of(call), in, call.output);
  const int64_t taps = taps_of(window_of(call));
  if (is_depthwise(call)) return static_cast<size_t>(depthwise_partials(map, in, taps)) * sizeof(float);
  const Group group = group_of(call);
  const int64_t transposed = taps * group.inputs * call.output.channels;
  const int64_t partials = correlation_partials(map, in.batch, taps, group.inputs, group.outputs);
  return static_cast<size_t>(max(transposed, partials)) * sizeof(float);
}

// A linear node's window is 1x1 and its group one, so it is a convolution of images of one pixel.
void linear_forward(Stream& stream, const KernelCall& call) {
  pointwise_forward(stream, call);
  const Tensor& out = call.output;
  for (int64_t n = 0; n < out.batch; ++n) {
    for (int64_t o = 0; o < out.channels; ++o) out.data[n * out.channels + o] += call.bias[o];
  }
}

void linear_backward(Stream& stream, const KernelCall& call) {
  pointwise_backward(stream, call);
  if (call.bias_gradient == nullptr) return;
  const Tensor& out = call.output;
  for (int64_t o = 0; o < out.channels; ++o) {
    double sum = 0;
    for (int64_t n = 0; n < out.batch; ++n) sum += call.output_gradient[n * out.channels + o];
    call.bias_gradient[o] = static_cast<float>(sum);
  }
}

}  // namespace

const OpKernels conv2d_kernels = {.forward = forward,
                                  .backward = backward,
                                  .workspace_bytes = workspace_bytes,
                                  .activates_inputs = is_pointwise,
                                  .joins_inputs = is_pointwise};
const OpKernels linear_kernels = {linear_forward, linear_backward, pointwise_workspace_bytes};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
