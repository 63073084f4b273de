// embedding: rows of a table by integers, whose gradients are added up in the order of the samples.
#include "cpu/kernels.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

struct Rows {
  const int32_t* words;
  const float* mask;  // [rows of the table]; null for none
  int64_t samples, channels;

  explicit Rows(const KernelCall& call)
      : words(reinterpret_cast<const int32_t*>(call.inputs[0].data)),
        mask(call.sequence == nullptr ? nullptr : call.sequence->masks[0]),
        samples(call.output.batch),
        channels(call.output.channels) {}
  float factor(int64_t sample) const { return mask == nullptr ? 1 : mask[words[sample]]; }
};

void forward(Stream& stream, const KernelCall& call) {
  const Rows rows(call);
  parallel_ranges(stream, rows.samples, max(1, kElementGrain / rows.channels), [&](int64_t begin, int64_t end) {
    for (int64_t sample = begin; sample < end; ++sample) {
      const float* row = call.weight + rows.words[sample] * rows.channels;
      float* to = call.output.data + sample * rows.channels;
      const Vec factor = splat(rows.factor(sample));
      for (int64_t c = 0; c < rows.channels; c += kLanes) {
        const Lanes lanes(rows.channels - c);
        store_first(to + c, factor * load_first(row + c, lanes), lanes);
      }
    }
  });
}

// Every task has vectors of channels of its own, of all rows.
void backward(Stream& stream, const KernelCall& call) {
  if (call.weight_gradient == nullptr) return;
  const Rows rows(call);
  const int64_t table = attributes_of<EmbeddingAttributes>(call).count;
  constexpr int64_t kChannels = 4 * kLanes;
  parallel(stream, divide_up(rows.channels, kChannels), [&](int64_t task, int) {
    const int64_t begin = task * kChannels, end = min(rows.channels, begin + kChannels);
    for (int64_t row = 0; row < table; ++row) {
      fill(call.weight_gradient + row * rows.channels + begin, end - begin, 0);
    }
    for (int64_t sample = 0; sample < rows.samples; ++sample) {
      float* to = call.weight_gradient + rows.words[sample] * rows.channels;
      const float* gradient = call.output_gradient + sample * rows.channels;
      const Vec factor = splat(rows.factor(sample));
      for (int64_t c = begin; c < end; c += kLanes) {
        const Lanes lanes(end - c);
        store_first(to + c, load_first(to + c, lanes) + factor * load_first(gradient + c, lanes), lanes);
      }
    }
  });
}

}  // namespace

constinit const OpKernels embedding_kernels = {forward, backward, nullptr};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
