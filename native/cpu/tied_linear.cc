// tiedLinear, and with the cross-entropy behind it in one: logits of some samples at a time, which are never all there.
#include <cmath>

#include "cpu/exponential.h"
#include "cpu/kernels.h"
#include "cpu/panels.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

// Samples [0, count) of vectors of `channels`, and the table [classes, channels] that makes logits of them.
struct Decoder {
  const float* weight;
  const float* bias;
  int64_t classes, channels;
};

// logits [count, classes] = vectors times the transposed table, plus bias. A task has a panel of classes.
void decode(Stream& stream, const Decoder& decoder, const float* vectors, int64_t count, float* logits) {
  const auto [weight, bias, classes, channels] = decoder;
  parallel(stream, panels_of(classes), [&](int64_t task, int thread) {
    const int64_t column = task * kPanelWidth;
    float* panel = thread_scratch<float>(stream, thread, channels * kPanelWidth);
    pack_transposed_panel(weight, channels, channels, column, classes, panel);
    const Vec first = load_first(bias + column, Lanes(classes - column));
    const int64_t left = classes - column - kLanes;
    const Vec second = left > 0 ? load_first(bias + column + kLanes, Lanes(left)) : Vec{};
    multiply_panel(
        count, channels, panel, [&](int64_t row) { return vectors + row * channels; },
        [&](int64_t row, Vec a, Vec b) {
          store_panel_row(logits + row * classes, column, classes, a + first, b + second, false);
        });
  });
}

// target [count, channels] (=|+=) gradients of the logits times the table. A task has a panel of channels and some
// samples.
void decode_backward(Stream& stream, const Decoder& decoder, const float* gradients, int64_t count, float* target,
                     GradientMode mode) {
  const auto [weight, bias, classes, channels] = decoder;
  constexpr int64_t kSamples = 256, kDepth = 512;
  const int64_t blocks = divide_up(count, kSamples);
  parallel(stream, panels_of(channels) * blocks, [&](int64_t task, int thread) {
    const int64_t column = task / blocks * kPanelWidth, begin = task % blocks * kSamples;
    float* panel = thread_scratch<float>(stream, thread, kDepth * kPanelWidth);
    for (int64_t first = 0; first < classes; first += kDepth) {
      const int64_t depth = min(kDepth, classes - first);
      pack_panel(weight + first * channels, channels, depth, column, channels, panel);
      const bool adds = first > 0 || mode == GradientMode::kAccumulate;
      multiply_panel(
          min(kSamples, count - begin), depth, panel,
          [&](int64_t row) { return gradients + (begin + row) * classes + first; },
          [&](int64_t row, Vec a, Vec b) {
            store_panel_row(target + (begin + row) * channels, column, channels, a, b, adds);
          });
    }
  });
}

// Adds the gradients of the table and the bias. A task has some classes.
void add_weight_gradients(Stream& stream, const Decoder& decoder, const float* gradients, const float* vectors,
                          int64_t count, float* weight_gradient, float* bias_gradient) {
  const int64_t classes = decoder.classes, channels = decoder.channels;
  constexpr int64_t kClasses = 16 * kPanelRows;
  parallel(stream, divide_up(classes, kClasses), [&](int64_t task, int thread) {
    const int64_t begin = task * kClasses, rows = min(kClasses, classes - begin);
    float* scratch = thread_scratch<float>(stream, thread, correlation_scratch(rows));
    add_correlation(
        count, rows, channels, [&](int64_t sample) { return gradients + sample * classes + begin; },
        [](int64_t) -> const float* { return nullptr; }, [&](int64_t sample) { return vectors + sample * channels; },
        weight_gradient + begin * channels, scratch);
    for (int64_t sample = 0; sample < count; ++sample) {
      for (int64_t c = begin; c < begin + rows; ++c) bias_gradient[c] += gradients[sample * classes + c];
    }
  });
}

void clear_weight_gradients(Stream& stream, const Decoder& decoder, const KernelCall& call) {
  const int64_t count = decoder.classes * decoder.channels;
  parallel_ranges(stream, count, kElementGrain,
                  [&](int64_t begin, int64_t end) { fill(call.weight_gradient + begin, end - begin, 0); });
  fill(call.bias_gradient, decoder.classes, 0);
}

Decoder decoder_of(const KernelCall& call, int64_t classes) {
  return {call.weight, call.bias, classes, call.inputs[0].channels};
}

void linear_forward(Stream& stream, const KernelCall& call) {
  decode(stream, decoder_of(call, call.output.channels), call.inputs[0].data, call.output.batch, call.output.data);
}

void linear_backward(Stream& stream, const KernelCall& call) {
  const Decoder decoder = decoder_of(call, call.output.channels);
  const auto [target, mode, precision] = call.input_gradients[0];
  if (mode != GradientMode::kIgnore) {
    decode_backward(stream, decoder, call.output_gradient, call.output.batch, target, mode);
  }
  if (call.weight_gradient == nullptr) return;
  clear_weight_gradients(stream, decoder, call);
  add_weight_gradients(stream, decoder, call.output_gradient, call.inputs[0].data, call.output.batch,
                       call.weight_gradient, call.bias_gradient);
}

// Samples whose logits are there at a time.
int64_t samples_at_once(int64_t batch, int64_t classes) {
  constexpr int64_t kFloats = int64_t{4} << 20;
  const int64_t affordable = kFloats / classes / kPanelRows * kPanelRows;
  return min(batch, max(8 * kPanelRows, affordable));
}

struct SampleLoss {
  double loss;
  int64_t best;  // class
};

// Losses of the samples of a part, then their logits.
size_t part_bytes(const KernelCall& call, bool) {
  const int64_t classes = attributes_of<TiedCrossEntropyAttributes>(call).classes;
  const int64_t samples = samples_at_once(call.inputs[0].batch, classes);
  return static_cast<size_t>(samples) * (sizeof(SampleLoss) + static_cast<size_t>(classes) * sizeof(float));
}

// Leaves e^(logit - largest) in the place of the logits.
SampleLoss finish_sample(float* logits, int64_t classes, int32_t label, double& total) {
  const float own = logits[label];
  Vec largest = splat(logits[0]);
  for (int64_t c = 0; c < classes; c += kLanes) {
    const Lanes lanes(classes - c);
    const Vec values = load_first(logits + c, lanes);
    largest = lanes.whole() ? max(values, largest) : largest;
    for (int i = 0; !lanes.whole() && i < lanes.count; ++i)
      largest[i] = values[i] > largest[i] ? values[i] : largest[i];
  }
  float top = largest[0];
  for (int i = 1; i < kLanes; ++i) top = largest[i] > top ? largest[i] : top;
  int64_t best = 0;
  while (best < classes - 1 && logits[best] != top) ++best;
  Vec sums[4] = {};
  for (int64_t c = 0, i = 0; c < classes; c += kLanes, ++i) {
    const Lanes lanes(classes - c);
    const Vec powers = exponential(load_first(logits + c, lanes) - top);
    store_first(logits + c, powers, lanes);
    sums[i % 4] += lanes.whole() ? powers : load_first(logits + c, lanes);
  }
  total = sum(sums[0]) + sum(sums[1]) + sum(sums[2]) + sum(sums[3]);
  return {std::log(total) + top - own, best};
}

// From what finish_sample left: (softmax - label) * share.
void make_gradient(float* powers, int64_t classes, int32_t label, double total, float share) {
  const Vec factor = splat(static_cast<float>(share / total));
  for (int64_t c = 0; c < classes; c += kLanes) {
    const Lanes lanes(classes - c);
    store_first(powers + c, load_first(powers + c, lanes) * factor, lanes);
  }
  powers[label] -= share;
}

// The loss of samples from `first` on, and where `share` is not 0 the gradient of their logits in the place of these.
LossResult take_losses(Stream& stream, const KernelCall& call, SampleLoss* samples, float* logits, int64_t first,
                       int64_t count, int64_t classes, float share) {
  parallel_ranges(stream, count, max(1, kElementGrain / classes), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float* row = logits + i * classes;
      const int32_t label = call.loss->labels[first + i];
      double total;
      samples[i] = finish_sample(row, classes, label, total);
      call.output.data[first + i] = static_cast<float>(samples[i].loss);
      if (share != 0) make_gradient(row, classes, label, total, share);
    }
  });
  LossResult result;
  for (int64_t i = 0; i < count; ++i) {
    result.loss += samples[i].loss;
    result.correct += samples[i].best == call.loss->labels[first + i];
  }
  return result;
}

template <typename Rest>
void each_part(Stream& stream, const KernelCall& call, float share, const Rest& rest) {
  const int64_t classes = attributes_of<TiedCrossEntropyAttributes>(call).classes, batch = call.inputs[0].batch;
  const Decoder decoder = decoder_of(call, classes);
  const int64_t part = samples_at_once(batch, classes);
  auto* samples = static_cast<SampleLoss*>(call.workspace);
  auto* logits = reinterpret_cast<float*>(samples + part);
  LossResult total;
  for (int64_t first = 0; first < batch; first += part) {
    const int64_t count = min(part, batch - first);
    decode(stream, decoder, call.inputs[0].data + first * decoder.channels, count, logits);
    const LossResult result = take_losses(stream, call, samples, logits, first, count, classes, share);
    total.loss += result.loss;
    total.correct += result.correct;
    rest(decoder, logits, first, count);
  }
  *call.loss->result = {total.loss / static_cast<double>(batch), total.correct};
}

void forward(Stream& stream, const KernelCall& call) {
  each_part(stream, call, 0, [](const Decoder&, const float*, int64_t, int64_t) {});
}

void backward(Stream& stream, const KernelCall& call) {
  const auto [target, mode, precision] = call.input_gradients[0];
  const float share = call.loss->weight / static_cast<float>(call.inputs[0].batch);
  bool cleared = false;
  each_part(stream, call, share, [&](const Decoder& decoder, const float* gradients, int64_t first, int64_t count) {
    const int64_t offset = first * decoder.channels;
    if (mode != GradientMode::kIgnore) decode_backward(stream, decoder, gradients, count, target + offset, mode);
    if (call.weight_gradient == nullptr) return;
    if (!cleared) clear_weight_gradients(stream, decoder, call);
    cleared = true;
    add_weight_gradients(stream, decoder, gradients, call.inputs[0].data + offset, count, call.weight_gradient,
                         call.bias_gradient);
  });
}

}  // namespace

constinit const OpKernels tied_linear_kernels = {linear_forward, linear_backward, nullptr};
constinit const OpKernels tied_cross_entropy_kernels = {forward, backward, part_bytes};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
