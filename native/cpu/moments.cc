// moments: the statistics of a lazy batch-norm, and the gradient of the tensor that its consumer normalised.
#include "cpu/moments.h"

#include <cmath>

#include "cpu/dropout.h"
#include "cpu/kernels.h"

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

float reciprocal_deviation(double variance, const NormCall& norm) {
  return static_cast<float>(1 / std::sqrt(variance + static_cast<double>(norm.attributes.epsilon)));
}

void forward(Stream& stream, const KernelCall& call) {
  find_moments(stream, call);
}

// Cuts the pixels of all images into pieces that lie in one image each, and calls body(image, begin, end) for each.
template <typename Body>
void for_image_ranges(Stream& stream, const Tensor& tensor, const Body& body) {
  const int64_t pixels = tensor.height * tensor.width, grain = max(1, kElementGrain / tensor.channels);
  const int64_t a_image = divide_up(pixels, grain);
  parallel(stream, tensor.batch * a_image, [&](int64_t piece, int) {
    const int64_t image = piece / a_image, begin = piece % a_image * grain;
    body(image, image * pixels + begin, image * pixels + min(pixels, begin + grain));
  });
}

void backward(Stream& stream, const KernelCall& call) {
  const Tensor& x = call.inputs[0];
  const GradientTarget& target = call.input_gradients[0];
  if (target.mode == GradientMode::kIgnore) return;
  const int64_t channels = x.channels;
  const float* map = call.output_gradient_map;
  for_image_ranges(stream, x, [&](int64_t image, int64_t begin, int64_t end) {
    const float kept = sample_factor(call, call.output_dropout, image);
    for_channels(channels, [&](int64_t c, Lanes lanes) {
      const Vec a = splat(kept) * load_first(map + c, lanes), b = load_first(map + channels + c, lanes);
      const Vec d = load_first(map + 2 * channels + c, lanes);
      for (int64_t p = begin; p < end; ++p) {
        const int64_t at = p * channels + c;
        Vec dx = multiply_add(a, load_first(call.output_gradient + at, lanes),
                              multiply_add(b, load_first(x.data + at, lanes), d));
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

namespace {

inline constexpr int kJoinedChannels = 64;

// Of up to kJoinedChannels channels from `first`: the mean over all pieces, then the squared deviations from it.
void join_channels(const float* moments, int64_t channels, int64_t first, int64_t count, const Pieces& pieces,
                   double* mean, double* deviations) {
  const int64_t a_run = divide_up(pieces.run_pixels, pieces.piece_pixels);
  const auto for_pieces = [&](const auto& body) {
    for (int64_t run = 0; run < pieces.runs; ++run) {
      for (int64_t piece = 0; piece < a_run; ++piece) {
        const int64_t pixels = min(pieces.piece_pixels, pieces.run_pixels - piece * pieces.piece_pixels);
        body(moments + (run * a_run + piece) * 2 * channels + first, static_cast<double>(pixels));
      }
    }
  };
  for (int64_t c = 0; c < count; ++c) mean[c] = deviations[c] = 0;
  for_pieces([&](const float* at, double pixels) {
    for (int64_t c = 0; c < count; ++c) mean[c] += pixels * at[c];
  });
  for (int64_t c = 0; c < count; ++c) mean[c] /= static_cast<double>(pieces.runs * pieces.run_pixels);
  for_pieces([&](const float* at, double pixels) {
    for (int64_t c = 0; c < count; ++c) {
      const double delta = at[c] - mean[c];
      deviations[c] += at[channels + c] + pixels * delta * delta;
    }
  });
}

void running_moments(const KernelCall& call) {
  const int64_t channels = call.output.channels;
  for (int64_t c = 0; c < channels; ++c) {
    call.saved[c] = call.norm->running_mean[c];
    call.saved[channels + c] = reciprocal_deviation(call.norm->running_variance[c], *call.norm);
  }
}

void save_moments(const KernelCall& call, int64_t c, double mean, double deviations, double pixels) {
  const NormCall& norm = *call.norm;
  const double variance = deviations / pixels;
  call.saved[c] = static_cast<float>(mean);
  call.saved[call.output.channels + c] = reciprocal_deviation(variance, norm);
  if (norm.statistics != Statistics::kBatchUpdating) return;
  const double unbiased = pixels > 1 ? deviations / (pixels - 1) : variance;
  const double momentum = norm.attributes.momentum;
  norm.running_mean[c] = static_cast<float>((1 - momentum) * norm.running_mean[c] + momentum * mean);
  norm.running_variance[c] = static_cast<float>((1 - momentum) * norm.running_variance[c] + momentum * unbiased);
}

}  // namespace

void finish_moments(const KernelCall& call, const float* moments, const Pieces& pieces) {
  if (call.norm->statistics == Statistics::kKept) return;
  if (call.norm->statistics == Statistics::kRunning) return running_moments(call);
  const int64_t channels = call.output.channels;
  double mean[kJoinedChannels], deviations[kJoinedChannels];
  for (int64_t first = 0; first < channels; first += kJoinedChannels) {
    const int64_t count = min(kJoinedChannels, channels - first);
    join_channels(moments, channels, first, count, pieces, mean, deviations);
    for (int64_t c = 0; c < count; ++c) {
      save_moments(call, first + c, mean[c], deviations[c], static_cast<double>(pieces.runs * pieces.run_pixels));
    }
  }
}

void find_moments(Stream& stream, const KernelCall& call) {
  const Tensor& x = call.inputs[0];
  const int64_t pixels = pixels_of(x), channels = x.channels;
  auto* moments = static_cast<float*>(call.workspace);
  if (call.norm->statistics != Statistics::kRunning) {
    parallel(stream, pieces_of(x), [&](int64_t piece, int) {
      const int64_t begin = piece * kPiecePixels;
      piece_moments(x.data + begin * channels, min(kPiecePixels, pixels - begin), channels,
                    moments + piece * 2 * channels);
    });
  }
  finish_moments(call, moments, {1, pixels, kPiecePixels});
}

size_t moments_workspace_bytes(const Tensor& input) {
  return static_cast<size_t>(pieces_of(input) * 2 * input.channels) * sizeof(float);
}

void write_gradient_map(const GradientSums* sums, const InputLink& link, int64_t channels, double mixing,
                        double pixels) {
  for (int64_t c = 0; c < channels; ++c) {
    const double mean = link.statistics[c], deviation = link.statistics[channels + c];
    const double weight = link.scale == nullptr ? mixing : mixing * link.scale[c];
    const double slope = weight * deviation * deviation * deviation * sums[c].centred_product / pixels;
    link.gradient_map[c] = static_cast<float>(weight * deviation);
    link.gradient_map[channels + c] = static_cast<float>(-slope);
    link.gradient_map[2 * channels + c] =
        static_cast<float>(slope * mean - weight * deviation * sums[c].gradient / pixels);
  }
}

}  // namespace dartsmith::cpu::DARTSMITH_ISA
