// Masks that stay the same over a sequence, and variationalDropout, which multiplies by one.
#include "cpu/masks.h"

#include "cpu/elementwise.h"
#include "engine/dropout.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

void multiply(Stream& stream, const KernelCall& call, const float* from, float* to, GradientMode mode) {
  const int64_t channels = call.output.channels, columns = call.sequence->columns;
  const float* mask = call.sequence->masks[0];
  if (mode == GradientMode::kIgnore) return;
  parallel_ranges(stream, call.output.batch, max(1, kElementGrain / channels), [&](int64_t begin, int64_t end) {
    for (int64_t sample = begin; sample < end; ++sample) {
      for (int64_t c = 0; c < channels; c += kLanes) {
        const Lanes lanes(channels - c);
        Vec value = load_first(from + sample * channels + c, lanes);
        if (mask != nullptr) value *= load_first(mask + sample % columns * channels + c, lanes);
        float* target = to + sample * channels + c;
        if (mode == GradientMode::kAccumulate) value += load_first(target, lanes);
        store_first(target, value, lanes);
      }
    }
  });
}

void forward(Stream& stream, const KernelCall& call) {
  multiply(stream, call, call.inputs[0].data, call.output.data, GradientMode::kOverwrite);
}

void backward(Stream& stream, const KernelCall& call) {
  multiply(stream, call, call.output_gradient, call.input_gradients[0].data, call.input_gradients[0].mode);
}

}  // namespace

void draw_mask(Stream& stream, float* mask, int64_t count, const MaskAttributes& attributes,
               const DropoutSettings* settings) {
  const Dropping dropping(*settings, attributes.rate, false, static_cast<uint32_t>(attributes.number));
  parallel_ranges(stream, divide_up(count, 4), kElementGrain / 4, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const PhiloxBlock drawn = philox(dropping.stream, static_cast<uint32_t>(block));
      for (int64_t i = 4 * block; i < min(4 * block + 4, count); ++i) mask[i] = dropping.apply(1, drawn.word[i % 4]);
    }
  });
}

constinit const OpKernels variational_dropout_kernels = {forward, backward, nullptr};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
