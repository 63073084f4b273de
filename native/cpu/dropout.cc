// dropout, of elements or of whole samples: the mask is drawn again on the way back.
#include "engine/dropout.h"

#include "cpu/dropout.h"
#include "cpu/kernels.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

Dropping dropping_of(const KernelCall& call, const DropoutAttributes& dropout) {
  return {*call.dropout, dropout.rate, dropout.whole_samples, static_cast<uint32_t>(dropout.number)};
}

void drop_samples(Stream& stream, const KernelCall& call, const float* from, float* to, bool accumulate) {
  const Dropping dropping = dropping_of(call, attributes_of<DropoutAttributes>(call));
  const int64_t elements = elements_of(call.output) / call.output.batch;
  parallel_ranges(stream, call.output.batch, max(1, kElementGrain / elements), [&](int64_t begin, int64_t end) {
    for (int64_t sample = begin; sample < end; ++sample) {
      const uint32_t drawn = dropping.draw(sample);
      for (int64_t i = sample * elements; i < (sample + 1) * elements; ++i) {
        const float value = dropping.apply(from[i], drawn);
        to[i] = accumulate ? to[i] + value : value;
      }
    }
  });
}

void drop_elements(Stream& stream, const KernelCall& call, const float* from, float* to, bool accumulate) {
  const Dropping dropping = dropping_of(call, attributes_of<DropoutAttributes>(call));
  const int64_t elements = elements_of(call.output);
  parallel_ranges(stream, (elements + 3) / 4, kElementGrain / 4, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const PhiloxBlock drawn = philox(dropping.stream, static_cast<uint32_t>(block));
      for (int64_t i = 4 * block; i < min(4 * block + 4, elements); ++i) {
        const float value = dropping.apply(from[i], drawn.word[i % 4]);
        to[i] = accumulate ? to[i] + value : value;
      }
    }
  });
}

void drop(Stream& stream, const KernelCall& call, const float* from, float* to, bool accumulate) {
  const bool whole_samples = attributes_of<DropoutAttributes>(call).whole_samples;
  (whole_samples ? drop_samples : drop_elements)(stream, call, from, to, accumulate);
}

void forward(Stream& stream, const KernelCall& call) {
  drop(stream, call, call.inputs[0].data, call.output.data, false);
}

void backward(Stream& stream, const KernelCall& call) {
  const GradientTarget& target = call.input_gradients[0];
  if (target.mode == GradientMode::kIgnore) return;
  drop(stream, call, call.output_gradient, target.data, target.mode == GradientMode::kAccumulate);
}

}  // namespace

float sample_factor(const KernelCall& call, const DropoutAttributes* dropout, int64_t sample) {
  if (dropout == nullptr) return 1;
  return dropping_of(call, *dropout).factor(sample);
}

constinit const OpKernels dropout_kernels = {forward, backward, nullptr};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
