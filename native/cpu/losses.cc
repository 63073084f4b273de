// distillation, smoothL1, meanSquaredError, cosineDistance, meanSquare, slowness, lossSum; and detach, which stands
// before them.
#include "engine/losses.h"

#include "cpu/elementwise.h"
#include "cpu/kernels.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

// A sample of a loss: `Sample(call, n)` has loss() and slope(input, c).
struct DistilledSample {
  Distilled distilled;

  DistilledSample(const KernelCall& call, int64_t n)
      : distilled(call.inputs[0].data + n * call.inputs[0].channels, call.inputs[1].data + n * call.inputs[1].channels,
                  call.inputs[0].channels, attributes_of<DistillationAttributes>(call).temperature) {}
  double loss() const { return distilled.loss(); }
  double slope(int input, int64_t c) const {
    return input == 0 ? distilled.student_slope(c) : distilled.teacher_slope(c);
  }
};

// Of losses that know of nothing but two vectors.
template <typename Loss>
struct PairSample : Loss {
  PairSample(const KernelCall& call, int64_t n)
      : Loss(call.inputs[0].data + n * call.inputs[0].channels, call.inputs[1].data + n * call.inputs[1].channels,
             call.inputs[0].channels) {}
};

template <typename Sample>
void forward(Stream&, const KernelCall& call) {
  const int64_t batch = call.inputs[0].batch;
  double sum = 0;
  for (int64_t n = 0; n < batch; ++n) {
    const double loss = Sample(call, n).loss();
    call.output.data[n] = static_cast<float>(loss);
    sum += loss;
  }
  *call.loss->result = {sum / static_cast<double>(batch), 0};
}

template <typename Sample>
void backward(Stream&, const KernelCall& call) {
  const int64_t batch = call.inputs[0].batch, channels = call.inputs[0].channels;
  const double share = call.loss->weight / static_cast<double>(batch);
  for (int64_t n = 0; n < batch; ++n) {
    const Sample sample(call, n);
    for (int input = 0; input < 2; ++input) {
      const GradientTarget& target = call.input_gradients[input];
      if (target.mode == GradientMode::kIgnore) continue;
      float* gradients = target.data + n * channels;
      for (int64_t c = 0; c < channels; ++c) {
        const auto slope = static_cast<float>(share * sample.slope(input, c));
        gradients[c] = (target.mode == GradientMode::kAccumulate ? gradients[c] : 0) + slope;
      }
    }
  }
}

template <typename Term>
void square_forward(Stream& stream, const KernelCall& call) {
  const Term term(call);
  const int64_t batch = call.inputs[0].batch;
  const double share = term.share() * static_cast<double>(batch);
  parallel_ranges(stream, batch, max(1, kElementGrain / term.channels), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      double sum = 0;
      for (int64_t c = 0; n < term.samples && c < term.channels; ++c) sum += term.at(n, c) * term.at(n, c);
      call.output.data[n] = static_cast<float>(share * sum);
    }
  });
  double total = 0;
  for (int64_t n = 0; n < batch; ++n) total += call.output.data[n];
  *call.loss->result = {total / static_cast<double>(batch), 0};
}

template <typename Term>
void square_backward(Stream& stream, const KernelCall& call) {
  const Term term(call);
  const auto [target, mode, precision] = call.input_gradients[0];
  if (mode == GradientMode::kIgnore) return;
  const double share = 2 * call.loss->weight * term.share();
  parallel_ranges(stream, call.inputs[0].batch, max(1, kElementGrain / term.channels), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      float* gradients = target + n * term.channels;
      for (int64_t c = 0; c < term.channels; ++c) {
        const auto slope = static_cast<float>(share * term.slope(n, c));
        gradients[c] = (mode == GradientMode::kAccumulate ? gradients[c] : 0) + slope;
      }
    }
  });
}

void sum_forward(Stream&, const KernelCall& call) {
  const auto& sum = attributes_of<LossSumAttributes>(call);
  for (int64_t n = 0; n < call.output.batch; ++n) {
    double value = 0;
    for (int i = 0; i < sum.count; ++i) value += static_cast<double>(sum.weights[i]) * call.inputs[i].data[n];
    call.output.data[n] = static_cast<float>(value);
  }
  LossResult result;
  for (int i = 0; i < sum.count; ++i) result.loss += sum.weights[i] * call.loss->terms[i].loss;
  if (sum.counted >= 0) result.correct = call.loss->terms[sum.counted].correct;
  *call.loss->result = result;
}

// Its terms know their weights.
void sum_backward(Stream&, const KernelCall&) {}

void detach_forward(Stream& stream, const KernelCall& call) {
  map_elements(stream, elements_of(call.output), call.output.data, GradientMode::kOverwrite,
               [&](int64_t i, Lanes lanes) { return load_first(call.inputs[0].data + i, lanes); });
}

void detach_backward(Stream&, const KernelCall&) {}

}  // namespace

constinit const OpKernels distillation_kernels = {forward<DistilledSample>, backward<DistilledSample>, nullptr};
constinit const OpKernels smooth_l1_kernels = {forward<PairSample<SmoothL1>>, backward<PairSample<SmoothL1>>, nullptr};
constinit const OpKernels mean_squared_error_kernels = {forward<PairSample<MeanSquaredError>>,
                                                        backward<PairSample<MeanSquaredError>>, nullptr};
constinit const OpKernels cosine_distance_kernels = {forward<PairSample<CosineDistance>>,
                                                     backward<PairSample<CosineDistance>>, nullptr};
constinit const OpKernels mean_square_kernels = {square_forward<SquaredValues>, square_backward<SquaredValues>,
                                                 nullptr};
constinit const OpKernels slowness_kernels = {square_forward<SquaredChanges>, square_backward<SquaredChanges>, nullptr};
constinit const OpKernels loss_sum_kernels = {sum_forward, sum_backward, nullptr};
constinit const OpKernels detach_kernels = {detach_forward, detach_backward, nullptr};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
