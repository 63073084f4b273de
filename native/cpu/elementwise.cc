// relu, add, concat, crop, zero.
#include "cpu/elementwise.h"

#include <cstring>

#include "cpu/kernels.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

// Rows of `count` elements from one pitch to another.
void copy_rows(Stream& stream, int64_t rows, int64_t count, const float* from, int64_t from_pitch, float* to,
               int64_t to_pitch, GradientMode mode) {
  if (mode == GradientMode::kIgnore) return;
  parallel_ranges(stream, rows, max(1, kElementGrain / count), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* source = from + row * from_pitch;
      float* target = to + row * to_pitch;
      if (mode == GradientMode::kAccumulate) {
        for (int64_t i = 0; i < count; ++i) target[i] += source[i];
      } else {
        std::memcpy(target, source, static_cast<size_t>(count) * sizeof(float));
      }
    }
  });
}

void relu_forward(Stream& stream, const KernelCall& call) {
  const float* x = call.inputs[0].data;
  map_elements(stream, elements_of(call.output), call.output.data, GradientMode::kOverwrite,
               [&](int64_t i, Lanes lanes) { return relu(load_first(x + i, lanes)); });
}

void relu_backward(Stream& stream, const KernelCall& call) {
  const float *y = call.output.data, *dy = call.output_gradient;
  const GradientTarget& target = call.input_gradients[0];
  map_elements(stream, elements_of(call.output), target.data, target.mode, [&](int64_t i, Lanes lanes) {
    return load_first(y + i, lanes) > Vec{} ? load_first(dy + i, lanes) : Vec{};
  });
}

void add_forward(Stream& stream, const KernelCall& call) {
  map_elements(stream, elements_of(call.output), call.output.data, GradientMode::kOverwrite,
               [&](int64_t i, Lanes lanes) {
                 Vec sum = load_first(call.inputs[0].data + i, lanes);
                 for (int k = 1; k < call.input_count; ++k) sum += load_first(call.inputs[k].data + i, lanes);
                 return sum;
               });
}

void add_backward(Stream& stream, const KernelCall& call) {
  for (int k = 0; k < call.input_count; ++k) {
    const GradientTarget& target = call.input_gradients[k];
    map_elements(stream, elements_of(call.output), target.data, target.mode,
                 [&](int64_t i, Lanes lanes) { return load_first(call.output_gradient + i, lanes); });
  }
}

void concat_forward(Stream& stream, const KernelCall& call) {
  int64_t channel = 0;
  for (int k = 0; k < call.input_count; ++k) {
    const Tensor& in = call.inputs[k];
    copy_rows(stream, pixels_of(in), in.channels, in.data, in.channels, call.output.data + channel,
              call.output.channels, GradientMode::kOverwrite);
    channel += in.channels;
  }
}

void concat_backward(Stream& stream, const KernelCall& call) {
  int64_t channel = 0;
  for (int k = 0; k < call.input_count; ++k) {
    const Tensor& in = call.inputs[k];
    const GradientTarget& target = call.input_gradients[k];
    copy_rows(stream, pixels_of(in), in.channels, call.output_gradient + channel, call.output.channels, target.data,
              in.channels, target.mode);
    channel += in.channels;
  }
}

void crop_forward(Stream& stream, const KernelCall& call) {
  const CropAttributes& crop = attributes_of<CropAttributes>(call);
  const Tensor &in = call.inputs[0], &out = call.output;
  const int64_t row = out.width * out.channels;
  parallel(stream, out.batch, [&](int64_t n, int) {
    for (int64_t y = 0; y < out.height; ++y) {
      const int64_t from = ((n * in.height + y + crop.top) * in.width + crop.left) * in.channels;
      std::memcpy(out.data + (n * out.height + y) * row, in.data + from, static_cast<size_t>(row) * sizeof(float));
    }
  });
}

void crop_backward(Stream& stream, const KernelCall& call) {
  const CropAttributes& crop = attributes_of<CropAttributes>(call);
  const Tensor &in = call.inputs[0], &out = call.output;
  const GradientTarget& target = call.input_gradients[0];
  if (target.mode == GradientMode::kIgnore) return;
  const int64_t image = in.height * in.width * in.channels, row = out.width * out.channels;
  parallel(stream, out.batch, [&](int64_t n, int) {
    if (target.mode == GradientMode::kOverwrite) {
      std::memset(target.data + n * image, 0, static_cast<size_t>(image) * sizeof(float));
    }
    for (int64_t y = 0; y < out.height; ++y) {
      float* to = target.data + ((n * in.height + y + crop.top) * in.width + crop.left) * in.channels;
      const float* from = call.output_gradient + (n * out.height + y) * row;
      for (int64_t i = 0; i < row; ++i) to[i] += from[i];
    }
  });
}

void zero_forward(Stream&, const KernelCall& call) {
  std::memset(call.output.data, 0, static_cast<size_t>(elements_of(call.output)) * sizeof(float));
}

}  // namespace

const OpKernels relu_kernels = {relu_forward, relu_backward, nullptr};
const OpKernels add_kernels = {add_forward, add_backward, nullptr};
const OpKernels concat_kernels = {concat_forward, concat_backward, nullptr};
const OpKernels crop_kernels = {crop_forward, crop_backward, nullptr};
const OpKernels zero_kernels = {zero_forward, nullptr, nullptr};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
