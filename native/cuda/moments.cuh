// Batch-norm statistics by pieces: mean and squared deviations of a piece in float, joined in double in a fixed order
// (Chan, Golub, LeVeque 1983), so that a mean far from zero costs no digits.
#pragma once
#include "cuda/task.cuh"

namespace dartsmith::cuda {

inline constexpr int kPiecePixels = 256;

// What a batch-norm keeps: where, and how it moves its running statistics.
struct Normalisation {
  float* saved;  // mean, reciprocal deviation [2, channels]
  float* running_mean;
  float* running_variance;
  float epsilon, momentum;
  Statistics statistics;
  int channels;
};

inline Normalisation normalisation_of(const KernelCall& call) {
  return {call.saved,
          call.norm->running_mean,
          call.norm->running_variance,
          call.norm->attributes.epsilon,
          call.norm->attributes.momentum,
          call.norm->statistics,
          static_cast<int>(call.output.channels)};
}

// Partial results of pieces, one channel's side by side: [values, channels, pieces].
struct Partials {
  float* data;
  int channels;
  int64_t pieces;
  __device__ __forceinline__ float& at(int value, int channel, int64_t piece) const {
    return data[(int64_t{value} * channels + channel) * pieces + piece];
  }
  __device__ __forceinline__ void store(int value, int channel, int64_t piece, float4 sums) const {
    for (int i = 0; i < 4 && channel + i < channels; ++i) at(value, channel + i, piece) = cuda::at(sums, i);
  }
};

// One value of a channel summed over all pieces, by a warp together.
__device__ inline double join_pieces(const Partials& partials, int value, int channel) {
  double sum = 0;
  for (int64_t piece = threadIdx.x % kLanes; piece < partials.pieces; piece += kLanes) {
    sum += partials.at(value, channel, piece);
  }
  return warp_sum(sum);
}

// Mean and squared deviations of those of `pixels` that has(pixel), `count` of them, loaded by load(pixel) for this
// thread's vector of channels, to the partials. All threads of the block take part. `scratch`: [kWarps * kChunk / 4].
template <typename Has, typename Load>
__device__ void piece_moments(const Spread& spread, int pixels, int count, int channel, const Has& has,
                              const Load& load, float4* scratch, const Partials& partials, int64_t piece) {
  const bool inside = channel < partials.channels;
  float4 sum = splat(0);
  if (inside) {
    for (int p = spread.row; p < pixels; p += spread.rows) {
      if (has(p)) sum = sum + load(p);
    }
  }
  sum = sum_rows(spread, sum, scratch);
  // The first row knows the mean: everybody gets it.
  __syncthreads();
  if (spread.row == 0) scratch[spread.vector] = map4(sum, [=](float s) { return s / static_cast<float>(count); });
  __syncthreads();
  const float4 mean = scratch[spread.vector];
  float4 deviations = splat(0);
  if (inside) {
    for (int p = spread.row; p < pixels; p += spread.rows) {
      if (!has(p)) continue;
      const float4 d = load(p) - mean;
      deviations = fused(d, d, deviations);
    }
  }
  deviations = sum_rows(spread, deviations, scratch);
  if (spread.row == 0 && inside) {
    partials.store(0, channel, piece, mean);
    partials.store(1, channel, piece, deviations);
  }
  __syncthreads();
}

// The same where there are all.
template <typename Load>
__device__ void piece_moments(const Spread& spread, int pixels, int channel, const Load& load, float4* scratch,
                              const Partials& partials, int64_t piece) {
  piece_moments(
      spread, pixels, pixels, channel, [](int) { return true; }, load, scratch, partials, piece);
}

// Joins the pieces of one channel, a warp together; pixels(piece) says how many each has. Writes what the batch-norm
// keeps.
template <typename Pixels>
__device__ void finish_moments(const Normalisation& norm, const Partials& partials, int channel, double total,
                               const Pixels& pixels) {
  if (norm.statistics == Statistics::kKept) return;
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  double mean = 0, deviations = 0;
  if (measures(norm.statistics)) {
    for (int64_t piece = lane; piece < partials.pieces; piece += kLanes) {
      mean += static_cast<double>(pixels(piece)) * partials.at(0, channel, piece);
    }
    mean = warp_sum(mean) / total;
    for (int64_t piece = lane; piece < partials.pieces; piece += kLanes) {
      const double delta = partials.at(0, channel, piece) - mean;
      deviations += partials.at(1, channel, piece) + static_cast<double>(pixels(piece)) * delta * delta;
    }
    deviations = warp_sum(deviations);
  }
  if (lane != 0) return;
  double variance = deviations / total;
  if (norm.statistics == Statistics::kRunning) {
    mean = norm.running_mean[channel];
    variance = norm.running_variance[channel];
  }
  norm.saved[channel] = static_cast<float>(mean);
  norm.saved[norm.channels + channel] = static_cast<float>(1 / sqrt(variance + static_cast<double>(norm.epsilon)));
  if (norm.statistics != Statistics::kBatchUpdating) return;
  const double unbiased = total > 1 ? deviations / (total - 1) : variance;
  const double momentum = norm.momentum;
  norm.running_mean[channel] = static_cast<float>((1 - momentum) * norm.running_mean[channel] + momentum * mean);
  norm.running_variance[channel] =
      static_cast<float>((1 - momentum) * norm.running_variance[channel] + momentum * unbiased);
}

// How a normalised input is read: (x - mean) * rstd * scale + shift; the input itself without statistics.
struct Reading {
  const float* statistics = nullptr;
  const float* scale = nullptr;
  const float* shift = nullptr;
};

inline Reading reading_of(const InputLink& link) {
  return {link.statistics, link.scale, link.shift};
}

// The same for one vector of channels.
struct Preactivation {
  float4 mean, factor, shift;

  __device__ Preactivation(const Reading& reading, int channel, int channels)
      : mean(channel_values(reading.statistics, channel, channels)),
        factor(reading.statistics == nullptr ? splat(1)
                                             : channel_values(reading.statistics + channels, channel, channels)),
        shift(channel_values(reading.shift, channel, channels)) {
    if (reading.scale != nullptr) factor = factor * channel_values(reading.scale, channel, channels);
  }
  __device__ __forceinline__ float4 operator()(float4 x) const { return fused(x - mean, factor, shift); }
};

// Gradient map (A, B, D) of a normalised input, weighed by `mixing` and by its scale where it has one, from the sums
// over `pixels` (see statistics_pixels) of the gradient and of gradient * (tensor - mean) of a channel: d = mixing *
// scale * rstd * (g - mean(g) - xhat * mean(g * xhat)).
__device__ inline void write_gradient_map(float* map, const Reading& reading, int channel, int channels, double mixing,
                                          double gradient, double centred_product, double pixels) {
  const double mean = reading.statistics[channel], deviation = reading.statistics[channels + channel];
  const double weight = reading.scale == nullptr ? mixing : mixing * reading.scale[channel];
  const double slope = weight * deviation * deviation * deviation * centred_product / pixels;
  map[channel] = static_cast<float>(weight * deviation);
  map[channels + channel] = static_cast<float>(-slope);
  map[2 * channels + channel] = static_cast<float>(slope * mean - weight * deviation * gradient / pixels);
}

// One channel of a normalised input, a warp together: the gradients of its scale and shift, and its own map. `run` says
// where they go (scale_gradient, shift_gradient, gradient_map), how the input is read (reading), and what was summed of
// it: gradients and their products with its distance from the mean (sums), over so many pixels (statistics_pixels).
template <typename Run>
__device__ void finish_input(const Run& run, int channel, int channels) {
  const double gradient = join_pieces(run.sums, 0, channel), product = join_pieces(run.sums, 1, channel);
  if (threadIdx.x % kLanes != 0) return;
  if (run.scale_gradient != nullptr) {
    run.scale_gradient[channel] = static_cast<float>(product * run.reading.statistics[channels + channel]);
    run.shift_gradient[channel] = static_cast<float>(gradient);
  }
  write_gradient_map(run.gradient_map, run.reading, channel, channels, 1, gradient, product, run.statistics_pixels);
}

// A gradient map applied: A * g + B * x + D for one vector of channels.
struct GradientMap {
  float4 gradient_factor, value_factor, shift;

  __device__ GradientMap(const float* map, int channel, int channels)
      : gradient_factor(channel_values(map, channel, channels)),
        value_factor(channel_values(map + channels, channel, channels)),
        shift(channel_values(map + 2 * channels, channel, channels)) {}
  __device__ __forceinline__ float4 operator()(float4 gradient, float4 value) const {
    return fused(gradient_factor, gradient, fused(value_factor, value, shift));
  }
};

}  // namespace dartsmith::cuda
