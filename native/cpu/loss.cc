// softmaxCrossEntropy: mean over the batch of the cross-entropy of softmax(logits) against the smoothed labels, for
// each input times its weight; saves the probabilities [inputs, batch, classes].
#include <cmath>

#include "cpu/kernels.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

struct SampleLoss {
  double loss;
  bool correct;
};

// A sample's labels: its own, and that of its partner for the rest of 1.
struct Labels {
  int32_t own, other;
  float share;

  Labels(const KernelCall& call, int64_t batch, int64_t sample)
      : own(call.loss->labels[sample]),
        other(call.loss->label_share == nullptr ? own : call.loss->labels[batch + sample]),
        share(call.loss->label_share == nullptr ? 1 : *call.loss->label_share) {}
  // Of a class.
  float wanted(int64_t c) const { return (c == own ? share : 0) + (c == other ? 1 - share : 0); }
};

SampleLoss sample_forward(const float* logits, int64_t classes, const Labels& labels, double smoothing,
                          float* probabilities) {
  int64_t best = 0;
  for (int64_t c = 1; c < classes; ++c) best = logits[c] > logits[best] ? c : best;
  double total = 0;
  double behind = 0;  // sum over the classes of how far they are behind the best
  for (int64_t c = 0; c < classes; ++c) {
    total += std::exp(double{logits[c]} - logits[best]);
    behind += double{logits[c]} - logits[best];
  }
  for (int64_t c = 0; c < classes; ++c) {
    probabilities[c] = static_cast<float>(std::exp(double{logits[c]} - logits[best]) / total);
  }
  double own = double{logits[labels.own]} - logits[best];
  if (labels.share != 1) {
    own = labels.share * own + (1 - double{labels.share}) * (double{logits[labels.other]} - logits[best]);
  }
  return {std::log(total) - ((1 - smoothing) * own + smoothing / static_cast<double>(classes) * behind),
          best == labels.own};
}

void forward(Stream&, const KernelCall& call) {
  const auto& attributes = attributes_of<SoftmaxCrossEntropyAttributes>(call);
  const int64_t batch = call.inputs[0].batch, classes = call.inputs[0].channels;
  double loss = 0;
  int64_t correct = 0;
  for (int64_t n = 0; n < batch; ++n) {
    double sum = 0;
    for (int i = 0; i < call.input_count; ++i) {
      float* probabilities = call.saved + (i * batch + n) * classes;
      const SampleLoss sample = sample_forward(call.inputs[i].data + n * classes, classes, Labels(call, batch, n),
                                               attributes.smoothing, probabilities);
      sum += attributes.weights[i] * sample.loss;
      if (i == 0) correct += sample.correct;
    }
    loss += sum;
    call.output.data[n] = static_cast<float>(sum);
  }
  *call.loss->result = {loss / static_cast<double>(batch), correct};
}

void backward(Stream&, const KernelCall& call) {
  const auto& attributes = attributes_of<SoftmaxCrossEntropyAttributes>(call);
  const int64_t batch = call.inputs[0].batch, classes = call.inputs[0].channels;
  const float smoothing = attributes.smoothing;
  const float spread = smoothing / static_cast<float>(classes);
  for (int i = 0; i < call.input_count; ++i) {
    const GradientTarget& target = call.input_gradients[i];
    if (target.mode == GradientMode::kIgnore) continue;
    const float share = call.loss->weight * attributes.weights[i] / static_cast<float>(batch);
    const float* probabilities = call.saved + i * batch * classes;
    for (int64_t n = 0; n < batch; ++n) {
      const Labels labels(call, batch, n);
      for (int64_t c = 0; c < classes; ++c) {
        const int64_t at = n * classes + c;
        const float wanted = (1.0f - smoothing) * labels.wanted(c) + spread;
        const float gradient = (probabilities[at] - wanted) * share;
        target.data[at] = (target.mode == GradientMode::kAccumulate ? target.data[at] : 0) + gradient;
      }
    }
  }
}

}  // namespace

const OpKernels softmax_cross_entropy_kernels = {forward, backward, nullptr};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
