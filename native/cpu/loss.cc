// softmaxCrossEntropy: mean over the batch of -log softmax(logits)[label]; saves the probabilities.
#include <cmath>

#include "cpu/kernels.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

struct SampleLoss {
  double loss;
  bool correct;
};

SampleLoss sample_forward(const float* logits, int64_t classes, int32_t label, float* probabilities) {
  int64_t best = 0;
  for (int64_t c = 1; c < classes; ++c) best = logits[c] > logits[best] ? c : best;
  double total = 0;
  for (int64_t c = 0; c < classes; ++c) total += std::exp(double{logits[c]} - logits[best]);
  for (int64_t c = 0; c < classes; ++c) {
    probabilities[c] = static_cast<float>(std::exp(double{logits[c]} - logits[best]) / total);
  }
  return {std::log(total) - (double{logits[label]} - logits[best]), best == label};
}

void forward(Stream&, const KernelCall& call) {
  const Tensor& logits = call.inputs[0];
  double loss = 0;
  int64_t correct = 0;
  for (int64_t n = 0; n < logits.batch; ++n) {
    const int64_t at = n * logits.channels;
    const SampleLoss sample = sample_forward(logits.data + at, logits.channels, call.labels[n], call.saved + at);
    loss += sample.loss;
    correct += sample.correct;
    call.output.data[n] = static_cast<float>(sample.loss);
  }
  *call.loss = {loss / static_cast<double>(logits.batch), correct};
}

void backward(Stream&, const KernelCall& call) {
  const Tensor& logits = call.inputs[0];
  const GradientTarget& target = call.input_gradients[0];
  if (target.mode == GradientMode::kIgnore) return;
  const float share = 1.0f / static_cast<float>(logits.batch);
  for (int64_t n = 0; n < logits.batch; ++n) {
    for (int64_t c = 0; c < logits.channels; ++c) {
      const int64_t at = n * logits.channels + c;
      const float gradient = (call.saved[at] - (c == call.labels[n] ? 1.0f : 0.0f)) * share;
      target.data[at] = (target.mode == GradientMode::kAccumulate ? target.data[at] : 0) + gradient;
    }
  }
}

}  // namespace

const OpKernels softmax_cross_entropy_kernels = {forward, backward, nullptr};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
