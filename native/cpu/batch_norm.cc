// Batch normalisation (Ioffe and Szegedy, arXiv:1502.03167), materialised; lazy ones are moments applied by their
// consumer.
#include "cpu/kernels.h"
#include "cpu/moments.h"
#include "cpu/traffic.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

void forward(Stream& stream, const KernelCall& call) {
  find_moments(stream, call);
  const int64_t channels = call.output.channels;
  const float *mean = call.saved, *deviation = call.saved + channels;
  const Ahead ahead = Ahead::in(call.inputs[0].data);
  parallel_ranges(stream, pixels_of(call.output), max(1, kElementGrain / channels), [&](int64_t begin, int64_t end) {
    for_channels(channels, [&](int64_t c, Lanes lanes) {
      const Vec centre = load_first(mean + c, lanes);
      Vec factor = load_first(deviation + c, lanes), shift = {};
      if (call.weight != nullptr) {
        factor *= load_first(call.weight + c, lanes);
        shift = load_first(call.bias + c, lanes);
      }
      for (int64_t p = begin; p < end; ++p) {
        ahead.fetch(p * channels + c);
        const Vec x = load_first(call.inputs[0].data + p * channels + c, lanes);
        store_first(call.output.data + p * channels + c, (x - centre) * factor + shift, lanes);
      }
    });
  });
}

// The normalised input of a backward call. Without affine the output is just that; the input may be gone (the forward
// pass works in place where nobody else looks).
struct Normalised {
  const float* from;
  const float* saved;  // null where `from` is normalised already
  int64_t channels;

  explicit Normalised(const KernelCall& call)
      : from(call.weight == nullptr ? call.output.data : call.inputs[0].data),
        saved(call.weight == nullptr ? nullptr : call.saved),
        channels(call.output.channels) {}
  Vec mean(int64_t c, Lanes lanes) const { return saved == nullptr ? Vec{} : load_first(saved + c, lanes); }
  Vec deviation(int64_t c, Lanes lanes) const {
    return saved == nullptr ? splat(1) : load_first(saved + channels + c, lanes);
  }
};

// Per piece and channel: sum of dy, then sum of dy * normalised x. [pieces, 2, channels]
void piece_gradient_sums(Stream& stream, const KernelCall& call, float* sums) {
  const Normalised x(call);
  const int64_t pixels = pixels_of(call.output), channels = x.channels;
  parallel(stream, pieces_of(call.output), [&](int64_t piece, int) {
    const int64_t begin = piece * kPiecePixels, count = min(kPiecePixels, pixels - begin);
    float* out = sums + piece * 2 * channels;
    for_channels(channels, [&](int64_t c, Lanes lanes) {
      const float* dy = call.output_gradient + begin * channels + c;
      const float* from = x.from + begin * channels + c;
      const Vec mean = x.mean(c, lanes);
      const Ahead gradients = Ahead::in(dy), values = Ahead::in(from);
      const Vec sum = sum_pixels(count, [&](int64_t p) {
        gradients.fetch(p * channels);
        return load_first(dy + p * channels, lanes);
      });
      store_first(out + c, sum, lanes);
      const Vec products = sum_pixels(count, [&](int64_t p) {
        values.fetch(p * channels);
        return load_first(dy + p * channels, lanes) * (load_first(from + p * channels, lanes) - mean);
      });
      store_first(out + channels + c, products * x.deviation(c, lanes), lanes);
    });
  });
}

// dx = scale * rstd * (dy - mean(dy) - xhat * mean(dy * xhat))
void input_gradient(Stream& stream, const KernelCall& call, const float* mean_dy, const float* mean_dy_x) {
  const Normalised x(call);
  const GradientTarget& target = call.input_gradients[0];
  const int64_t channels = x.channels;
  const Ahead gradients = Ahead::in(call.output_gradient), values = Ahead::in(x.from);
  parallel_ranges(stream, pixels_of(call.output), max(1, kElementGrain / channels), [&](int64_t begin, int64_t end) {
    for_channels(channels, [&](int64_t c, Lanes lanes) {
      const Vec mean = x.mean(c, lanes), dy_mean = load_first(mean_dy + c, lanes);
      const Vec slope = x.deviation(c, lanes) * load_first(mean_dy_x + c, lanes);
      Vec factor = load_first(call.saved + channels + c, lanes);
      if (call.weight != nullptr) factor *= load_first(call.weight + c, lanes);
      for (int64_t p = begin; p < end; ++p) {
        const int64_t at = p * channels + c;
        gradients.fetch(at);
        values.fetch(at);
        const Vec dy = load_first(call.output_gradient + at, lanes);
        Vec dx = factor * (dy - dy_mean - (load_first(x.from + at, lanes) - mean) * slope);
        if (target.mode == GradientMode::kAccumulate) dx += load_first(target.data + at, lanes);
        store_first(target.data + at, dx, lanes);
      }
    });
  });
}

void backward(Stream& stream, const KernelCall& call) {
  const Tensor& x = call.inputs[0];
  const int64_t channels = x.channels, pieces = pieces_of(x);
  auto* sums = static_cast<float*>(call.workspace);
  piece_gradient_sums(stream, call, sums);
  float *mean_dy = sums + pieces * 2 * channels, *mean_dy_x = mean_dy + channels;
  const double pixels = statistics_pixels(call, pixels_of(x));
  for (int64_t c = 0; c < channels; ++c) {
    double dy = 0, dy_x = 0;
    for (int64_t piece = 0; piece < pieces; ++piece) {
      dy += sums[piece * 2 * channels + c];
      dy_x += sums[(piece * 2 + 1) * channels + c];
    }
    if (call.weight_gradient != nullptr) call.weight_gradient[c] = static_cast<float>(dy_x);
    if (call.bias_gradient != nullptr) call.bias_gradient[c] = static_cast<float>(dy);
    mean_dy[c] = static_cast<float>(dy / pixels);
    mean_dy_x[c] = static_cast<float>(dy_x / pixels);
  }
  if (call.input_gradients[0].mode != GradientMode::kIgnore) input_gradient(stream, call, mean_dy, mean_dy_x);
}

size_t workspace_bytes(const KernelCall& call, bool) {
  return moments_workspace_bytes(call.inputs[0]) + 2 * static_cast<size_t>(call.inputs[0].channels) * sizeof(float);
}

}  // namespace

const OpKernels batch_norm_kernels = {forward, backward, workspace_bytes};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
