// Batch normalisation (Ioffe and Szegedy, arXiv:1502.03167). Statistics by pieces small enough for the first-level cache:
// mean and squared deviations of a piece in float, joined in double in a fixed order (Chan, Golub, LeVeque 1983), so that
// a mean far from zero costs no digits.
#include <cmath>

#include "cpu/kernels.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

inline constexpr int64_t kPiecePixels = 256;

int64_t pixels_of(const Tensor& tensor) { return tensor.batch * tensor.height * tensor.width; }

// Several pieces a task: joining them costs less than handing them out.
int64_t pieces_of(const Tensor& tensor) { return divide_up(pixels_of(tensor), kPiecePixels); }

// Calls body(first channel, lanes) for each block of channels.
template <typename Body>
void for_channels(int64_t channels, const Body& body) {
  for (int64_t c = 0; c < channels; c += kLanes) body(c, static_cast<int>(min(kLanes, channels - c)));
}

// Sum over pixels of term(pixel's vector index) for one block of channels, four running sums for latency's sake.
template <typename Term>
Vec sum_pixels(int64_t pixels, const Term& term) {
  Vec sums[4] = {};
  int64_t p = 0;
  for (; p + 4 <= pixels; p += 4) {
    for (int i = 0; i < 4; ++i) sums[i] += term(p + i);
  }
  for (; p < pixels; ++p) sums[0] += term(p);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// Per piece and channel: mean, then sum of squared deviations from it. [pieces, 2, channels]
void piece_statistics(Stream& stream, const Tensor& x, float* statistics) {
  const int64_t pixels = pixels_of(x), channels = x.channels;
  parallel(stream, pieces_of(x), [&](int64_t piece, int) {
    const int64_t begin = piece * kPiecePixels, count = min(kPiecePixels, pixels - begin);
    float* out = statistics + piece * 2 * channels;
    for_channels(channels, [&](int64_t c, int lanes) {
      const float* from = x.data + begin * channels + c;
      const Vec mean = sum_pixels(count, [&](int64_t p) { return load_first(from + p * channels, lanes); }) /
                       splat(static_cast<float>(count));
      const Vec deviations = sum_pixels(count, [&](int64_t p) {
        const Vec d = load_first(from + p * channels, lanes) - mean;
        return d * d;
      });
      store_first(out + c, mean, lanes);
      store_first(out + channels + c, deviations, lanes);
    });
  });
}

// saved: mean [channels], reciprocal standard deviation [channels].
void batch_statistics(Stream& stream, const KernelCall& call) {
  const Tensor& x = call.inputs[0];
  const int64_t pixels = pixels_of(x), channels = x.channels, pieces = pieces_of(x);
  auto* statistics = static_cast<float*>(call.workspace);
  piece_statistics(stream, x, statistics);
  for (int64_t c = 0; c < channels; ++c) {
    double mean = 0, deviations = 0, seen = 0;
    for (int64_t piece = 0; piece < pieces; ++piece) {
      const auto count = static_cast<double>(min(kPiecePixels, pixels - piece * kPiecePixels));
      const double delta = statistics[piece * 2 * channels + c] - mean;
      deviations += statistics[(piece * 2 + 1) * channels + c] + delta * delta * seen * count / (seen + count);
      mean += delta * count / (seen + count);
      seen += count;
    }
    const double variance = deviations / seen;
    call.saved[c] = static_cast<float>(mean);
    call.saved[channels + c] = static_cast<float>(1 / std::sqrt(variance + static_cast<double>(call.node->epsilon)));
    if (call.statistics != Statistics::kBatchUpdating) continue;
    const double unbiased = seen > 1 ? deviations / (seen - 1) : variance;
    const double momentum = call.node->momentum;
    call.running_mean[c] = static_cast<float>((1 - momentum) * call.running_mean[c] + momentum * mean);
    call.running_variance[c] = static_cast<float>((1 - momentum) * call.running_variance[c] + momentum * unbiased);
  }
}

void running_statistics(const KernelCall& call) {
  const int64_t channels = call.output.channels;
  for (int64_t c = 0; c < channels; ++c) {
    call.saved[c] = call.running_mean[c];
    const double variance = call.running_variance[c];
    call.saved[channels + c] = static_cast<float>(1 / std::sqrt(variance + static_cast<double>(call.node->epsilon)));
  }
}

void forward(Stream& stream, const KernelCall& call) {
  if (call.statistics == Statistics::kRunning) {
    running_statistics(call);
  } else {
    batch_statistics(stream, call);
  }
  const int64_t channels = call.output.channels;
  const float *mean = call.saved, *deviation = call.saved + channels;
  parallel_ranges(stream, pixels_of(call.output), max(1, kElementGrain / channels), [&](int64_t begin, int64_t end) {
    for_channels(channels, [&](int64_t c, int lanes) {
      const Vec centre = load_first(mean + c, lanes);
      Vec factor = load_first(deviation + c, lanes), shift = {};
      if (call.weight != nullptr) {
        factor *= load_first(call.weight + c, lanes);
        shift = load_first(call.bias + c, lanes);
      }
      for (int64_t p = begin; p < end; ++p) {
        const Vec x = load_first(call.inputs[0].data + p * channels + c, lanes);
        store_first(call.output.data + p * channels + c, (x - centre) * factor + shift, lanes);
      }
    });
  });
}

// Per piece and channel: sum of dy, then sum of dy * normalised x. [pieces, 2, channels]
void piece_gradient_sums(Stream& stream, const KernelCall& call, float* sums) {
  const Tensor& x = call.inputs[0];
  const int64_t pixels = pixels_of(x), channels = x.channels;
  parallel(stream, pieces_of(x), [&](int64_t piece, int) {
    const int64_t begin = piece * kPiecePixels, count = min(kPiecePixels, pixels - begin);
    float* out = sums + piece * 2 * channels;
    for_channels(channels, [&](int64_t c, int lanes) {
      const float* dy = call.output_gradient + begin * channels + c;
      const float* from = x.data + begin * channels + c;
      const Vec mean = load_first(call.saved + c, lanes), deviation = load_first(call.saved + channels + c, lanes);
      store_first(out + c, sum_pixels(count, [&](int64_t p) { return load_first(dy + p * channels, lanes); }), lanes);
      const Vec products = sum_pixels(count, [&](int64_t p) {
        return load_first(dy + p * channels, lanes) * (load_first(from + p * channels, lanes) - mean);
      });
      store_first(out + channels + c, products * deviation, lanes);
    });
  });
}

// dx = scale * rstd * (dy - mean(dy) - xhat * mean(dy * xhat))
void input_gradient(Stream& stream, const KernelCall& call, const float* mean_dy, const float* mean_dy_x) {
  const Tensor& x = call.inputs[0];
  const GradientTarget& target = call.input_gradients[0];
  const int64_t channels = x.channels;
  parallel_ranges(stream, pixels_of(x), max(1, kElementGrain / channels), [&](int64_t begin, int64_t end) {
    for_channels(channels, [&](int64_t c, int lanes) {
      const Vec mean = load_first(call.saved + c, lanes), deviation = load_first(call.saved + channels + c, lanes);
      const Vec dy_mean = load_first(mean_dy + c, lanes), slope = deviation * load_first(mean_dy_x + c, lanes);
      const Vec factor = call.weight == nullptr ? deviation : deviation * load_first(call.weight + c, lanes);
      for (int64_t p = begin; p < end; ++p) {
        const int64_t at = p * channels + c;
        const Vec dy = load_first(call.output_gradient + at, lanes);
        const Vec centred = load_first(x.data + at, lanes) - mean;
        Vec dx = factor * (dy - dy_mean - centred * slope);
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
  const auto pixels = static_cast<double>(pixels_of(x));
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
  return static_cast<size_t>((pieces_of(call.inputs[0]) + 1) * 2 * call.inputs[0].channels) * sizeof(float);
}

}  // namespace

const OpKernels batch_norm_kernels = {forward, backward, workspace_bytes};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
