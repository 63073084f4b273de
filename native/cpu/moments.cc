// moments: the statistics of a lazy batch-norm, and the gradient of the tensor that its consumer normalised.
#include "cpu/moments.h"

#include <cmath>

#include "cpu/kernels.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

float reciprocal_deviation(double variance, const Node& node) {
  return static_cast<float>(1 / std::sqrt(variance + static_cast<double>(node.epsilon)));
}

void forward(Stream& stream, const KernelCall& call) {
  find_moments(stream, call);
}

void backward(Stream& stream, const KernelCall& call) {
  const Tensor& x = call.inputs[0];
  const GradientTarget& target = call.input_gradients[0];
  if (target.mode == GradientMode::kIgnore) return;
  const int64_t channels = x.channels;
  const float* map = call.output_gradient_map;
  parallel_ranges(stream, pixels_of(x), max(1, kElementGrain / channels), [&](int64_t begin, int64_t end) {
    for_channels(channels, [&](int64_t c, Lanes lanes) {
      const Vec a = load_first(map + c, lanes), b = load_first(map + channels + c, lanes);
      const Vec d = load_first(map + 2 * channels + c, lanes);
      for (int64_t p = begin; p < end; ++p) {
        const int64_t at = p * channels + c;
        Vec dx = a * load_first(call.output_gradient + at, lanes) + b * load_first(x.data + at, lanes) + d;
        if (target.mode == GradientMode::kAccumulate) dx += load_first(target.data + at, lanes);
        store_first(target.data + at, dx, lanes);
      }
    });
  });
}

size_t workspace_bytes(const KernelCall& call, bool backward) {
  return backward ? 0 : moments_workspace_bytes(call.inputs[0]);
}

}  // namespace

const OpKernels moments_kernels = {forward, backward, workspace_bytes};

void piece_moments(const float* x, int64_t pixels, int64_t channels, float* moments) {
  for_channels(channels, [&](int64_t c, Lanes lanes) {
    const float* from = x + c;
    const Vec mean = sum_pixels(pixels, [&](int64_t p) { return load_first(from + p * channels, lanes); }) /
                     splat(static_cast<float>(pixels));
    const Vec deviations = sum_pixels(pixels, [&](int64_t p) {
      const Vec d = load_first(from + p * channels, lanes) - mean;
      return d * d;
    });
    store_first(moments + c, mean, lanes);
    store_first(moments + channels + c, deviations, lanes);
  });
}

void run_moments(const float* x, int64_t pixels, int64_t channels, float* pieces) {
  for (int64_t begin = 0; begin < pixels; begin += kPiecePixels, pieces += 2 * channels) {
    piece_moments(x + begin * channels, min(kPiecePixels, pixels - begin), channels, pieces);
  }
}

void join_moments(const KernelCall& call, const float* pieces, int64_t runs, int64_t run_pixels) {
  const int64_t pieces_a_run = divide_up(run_pixels, kPiecePixels);
  const int64_t channels = call.output.channels;
  for (int64_t c = 0; c < channels; ++c) {
    double mean = 0, deviations = 0, seen = 0;
    for (int64_t piece = 0; piece < runs * pieces_a_run; ++piece) {
      const auto count = static_cast<double>(min(kPiecePixels, run_pixels - piece % pieces_a_run * kPiecePixels));
      const double delta = pieces[piece * 2 * channels + c] - mean;
      deviations += pieces[(piece * 2 + 1) * channels + c] + delta * delta * seen * count / (seen + count);
      mean += delta * count / (seen + count);
      seen += count;
    }
    const double variance = deviations / seen;
    call.saved[c] = static_cast<float>(mean);
    call.saved[channels + c] = reciprocal_deviation(variance, *call.node);
    if (call.statistics != Statistics::kBatchUpdating) continue;
    const double unbiased = seen > 1 ? deviations / (seen - 1) : variance;
    const double momentum = call.node->momentum;
    call.running_mean[c] = static_cast<float>((1 - momentum) * call.running_mean[c] + momentum * mean);
    call.running_variance[c] = static_cast<float>((1 - momentum) * call.running_variance[c] + momentum * unbiased);
  }
}

void running_moments(const KernelCall& call) {
  const int64_t channels = call.output.channels;
  for (int64_t c = 0; c < channels; ++c) {
    call.saved[c] = call.running_mean[c];
    call.saved[channels + c] = reciprocal_deviation(call.running_variance[c], *call.node);
  }
}

void find_moments(Stream& stream, const KernelCall& call) {
  if (call.statistics == Statistics::kRunning) return running_moments(call);
  const Tensor& x = call.inputs[0];
  const int64_t pixels = pixels_of(x), channels = x.channels;
  auto* pieces = static_cast<float*>(call.workspace);
  parallel(stream, pieces_of(x), [&](int64_t piece, int) {
    const int64_t begin = piece * kPiecePixels;
    piece_moments(x.data + begin * channels, min(kPiecePixels, pixels - begin), channels,
                  pieces + piece * 2 * channels);
  });
  join_moments(call, pieces, 1, pixels);
}

size_t moments_workspace_bytes(const Tensor& input) {
  return static_cast<size_t>(pieces_of(input) * 2 * input.channels) * sizeof(float);
}

void write_gradient_map(const GradientSums* sums, const float* statistics, int64_t channels, double mixing,
                        int64_t pixels, float* map) {
  const auto count = static_cast<double>(pixels);
  for (int64_t c = 0; c < channels; ++c) {
    const double mean = statistics[c], deviation = statistics[channels + c];
    const double slope = mixing * deviation * deviation * deviation * sums[c].centred_product / count;
    map[c] = static_cast<float>(mixing * deviation);
    map[channels + c] = static_cast<float>(-slope);
    map[2 * channels + c] = static_cast<float>(slope * mean - mixing * deviation * sums[c].gradient / count);
  }
}

}  // namespace dartsmith::cpu::DARTSMITH_ISA
