// globalAvgPool.
#include "cpu/kernels.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

void forward(Stream& stream, const KernelCall& call) {
  const Tensor& in = call.inputs[0];
  const int64_t pixels = in.height * in.width, channels = in.channels;
  parallel(stream, in.batch, [&](int64_t n, int) {
    for (int64_t c = 0; c < channels; ++c) {
      double sum = 0;
      for (int64_t p = 0; p < pixels; ++p) sum += in.data[(n * pixels + p) * channels + c];
      call.output.data[n * channels + c] = static_cast<float>(sum / static_cast<double>(pixels));
    }
  });
}

void backward(Stream& stream, const KernelCall& call) {
  const Tensor& in = call.inputs[0];
  const GradientTarget& target = call.input_gradients[0];
  if (target.mode == GradientMode::kIgnore) return;
  const int64_t pixels = in.height * in.width, channels = in.channels;
  const float share = 1.0f / static_cast<float>(pixels);
  parallel(stream, in.batch, [&](int64_t n, int) {
    const float* dy = call.output_gradient + n * channels;
    for (int64_t p = 0; p < pixels; ++p) {
      float* to = target.data + (n * pixels + p) * channels;
      for (int64_t c = 0; c < channels; ++c) {
        to[c] = (target.mode == GradientMode::kAccumulate ? to[c] : 0) + share * dy[c];
      }
    }
  });
}

}  // namespace

const OpKernels global_avg_pool_kernels = {forward, backward, nullptr};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
