// combine: out = sum over inputs of p_k * y_k, normalised inputs as p_k * (rstd_k * (y_k - mean_k) * scale_k +
// shift_k), in one pass over memory; a pooled input is pooled on the way. Backward: one pass gives, for all inputs, the
// batch-norm gradient sums, the dot products that are dL/dp_k, and the gradients of plain inputs; then the pieces are
// joined.
#pragma once
#include "cuda/moments.h"
#include "cuda/pool.h"

namespace dartsmith::cuda::combine {

inline constexpr int kInputs = 40;   // of one launch: five edges of eight candidates
inline constexpr int kPixels = 128;  // of a piece
// Channels at once: backward keeps a sum of every input, so that fewer fit.
inline constexpr int kBackwardChunk = 32;

struct CombineInput {
  View y;
  Reading reading;
  const float* mixing;  // null for 1
  PoolWindow window;
  bool pooled;
  // Backward.
  double* mixing_gradient;
  float* scale_gradient;
  float* shift_gradient;
  float* gradient_map;
  View target;
  GradientMode mode;
};

struct alignas(16) Combine {
  int count;
  View output;  // or its gradient
  bool accumulate;
  int64_t pixels;
  int64_t pieces;
  int chunks;
  Partials partials;             // of the gradient; of gradient * (y_k - mean_k), an input after another
  double* contributions;         // to the mixing weights' gradients [inputs, channels]
  CombineInput inputs[kInputs];  // `count` of them

  __host__ __device__ int64_t tasks() const { return pieces * chunks; }
};

__device__ __forceinline__ float4 load_input(const CombineInput& input, int64_t pixel, int channel) {
  return input.pooled ? input.window.value(input.y, pixel, channel) : input.y.load(pixel, channel);
}

__device__ __forceinline__ float mixing_of(const CombineInput& input) {
  return input.mixing == nullptr ? 1.0f : *input.mixing;
}

struct ForwardParts {
  float4* factors;  // [inputs, mean factor shift, kChunk / 4]
  __host__ __device__ ForwardParts(Shared& shared, int inputs)
      : factors(shared.take<float4>(int64_t{inputs} * 3 * kChunk / 4)) {}
};

__device__ __forceinline__ void forward(const Combine& c, Shared& shared) {
  constexpr int kVectors = kChunk / 4;
  const ForwardParts parts(shared, c.count);
  for_tasks(c.tasks(), [&](Index task) {
    const Index first = task / c.chunks * kPixels;
    const int chunk = static_cast<int>(task % c.chunks) * kChunk, channels = c.output.channels;
    __syncthreads();
    for_block(c.count * kVectors, [&](int item) {
      const CombineInput& input = c.inputs[item / kVectors];
      const Preactivation normalise(input.reading, chunk + item % kVectors * 4, channels);
      const float4 mixing = splat(mixing_of(input));
      float4* factors = parts.factors + item / kVectors * 3 * kVectors + item % kVectors;
      factors[0] = normalise.mean;
      factors[kVectors] = mixing * normalise.factor;
      factors[2 * kVectors] = mixing * normalise.shift;
    });
    __syncthreads();
    const Spread spread(channels - chunk);
    const int channel = chunk + spread.vector * 4;
    if (channel >= channels) return;
    for (int64_t p = first + spread.row; p < smaller(first + kPixels, c.pixels); p += spread.rows) {
      float4 sum = c.accumulate ? c.output.load(p, channel) : splat(0);
      for (int k = 0; k < c.count; ++k) {
        const float4* factors = parts.factors + k * 3 * kVectors + spread.vector;
        const float4 y = load_input(c.inputs[k], p, channel);
        sum = sum + fused(y - factors[0], factors[kVectors], factors[2 * kVectors]);
      }
      c.output.store(p, channel, sum);
    }
  });
}

__device__ __forceinline__ bool needs_sums(const CombineInput& input) {
  return input.mixing_gradient != nullptr || input.gradient_map != nullptr || input.scale_gradient != nullptr;
}

struct BackwardParts {
  float4* gradient;  // [kPixels, kBackwardChunk / 4]
  float4* sums;      // [1 + inputs, kWarps, kBackwardChunk / 4]
  __host__ __device__ BackwardParts(Shared& shared, int inputs)
      : gradient(shared.take<float4>(kPixels * kBackwardChunk / 4)),
        sums(shared.take<float4>(int64_t{1 + inputs} * kWarps * kBackwardChunk / 4)) {}
};

// A warp's sum over its rows, left in `sums` for the block to add up.
__device__ __forceinline__ void keep_warp_sum(const Spread& spread, float4 sum, float4* sums) {
  for (int lanes = spread.vectors; lanes < kLanes; lanes *= 2) {
    for (int i = 0; i < 4; ++i) at(sum, i) += __shfl_xor_sync(0xffffffffu, at(sum, i), lanes);
  }
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  if (lane < spread.vectors) sums[static_cast<int>(threadIdx.x) / kLanes * spread.vectors + lane] = sum;
}

__device__ inline void backward_input(const CombineInput& input, const Spread& spread, int64_t first, int pixels,
                                      int channel, const float4* gradient, float4* sums) {
  const bool inside = channel < input.y.channels;
  const bool measured = needs_sums(input);
  const bool passes_on = input.mode != GradientMode::kIgnore && input.reading.statistics == nullptr;
  const float4 mean = channel_values(input.reading.statistics, channel, input.y.channels);
  const float4 mixing = splat(mixing_of(input));
  float4 sum = splat(0);
  for (int p = spread.row; inside && p < pixels; p += spread.rows) {
    const float4 g = gradient[p * spread.vectors + spread.vector];
    if (measured) sum = fused(g, load_input(input, first + p, channel) - mean, sum);
    if (passes_on) input.target.add(first + p, channel, mixing * g, input.mode == GradientMode::kAccumulate);
  }
  if (measured) keep_warp_sum(spread, sum, sums);
}

__device__ inline void backward_piece(const Combine& c, Index task, const BackwardParts& parts) {
  const int64_t piece = task / c.chunks, first = piece * kPixels;
  const int chunk = static_cast<int>(task % c.chunks) * kBackwardChunk, channels = c.output.channels;
  const int pixels = static_cast<int>(smaller(kPixels, c.pixels - first));
  const Spread spread(channels - chunk, kBackwardChunk);
  const int channel = chunk + spread.vector * 4, per_sum = kWarps * spread.vectors;
  __syncthreads();
  float4 total = splat(0);
  for (int p = spread.row; p < pixels; p += spread.rows) {
    const float4 g = channel < channels ? c.output.load(first + p, channel) : splat(0);
    parts.gradient[p * spread.vectors + spread.vector] = g;
    total = total + g;
  }
  keep_warp_sum(spread, total, parts.sums);
  // Each thread reads only what it wrote of `gradient`.
  for (int k = 0; k < c.count; ++k) {
    backward_input(c.inputs[k], spread, first, pixels, channel, parts.gradient, parts.sums + (1 + k) * per_sum);
  }
  __syncthreads();
  for_block((1 + c.count) * spread.vectors, [&](int item) {
    const int which = item / spread.vectors, vector = item % spread.vectors;
    if (chunk + vector * 4 >= channels || (which > 0 && !needs_sums(c.inputs[which - 1]))) return;
    float4 sum = splat(0);
    for (int w = 0; w < kWarps; ++w) sum = sum + parts.sums[which * per_sum + w * spread.vectors + vector];
    c.partials.store(which, chunk + vector * 4, piece, sum);
  });
}

// One channel of one input, a warp together: its batch-norm's gradients, and what it adds to its weight's.
__device__ inline void finish_channel(const Combine& c, int k, int channel) {
  const CombineInput& input = c.inputs[k];
  const int channels = c.output.channels;
  const double gradient = join_pieces(c.partials, 0, channel), product = join_pieces(c.partials, 1 + k, channel);
  if (threadIdx.x % kLanes != 0) return;
  const Reading& reading = input.reading;
  const double scaled = reading.statistics == nullptr ? product : product * reading.statistics[channels + channel];
  const bool affine = reading.scale != nullptr;
  c.contributions[int64_t{k} * channels + channel] =
      affine ? reading.scale[channel] * scaled + reading.shift[channel] * gradient : scaled;
  const double mixing = mixing_of(input);
  if (input.scale_gradient != nullptr) {
    input.scale_gradient[channel] = static_cast<float>(mixing * scaled);
    input.shift_gradient[channel] = static_cast<float>(mixing * gradient);
  }
  if (input.gradient_map != nullptr) {
    write_gradient_map(input.gradient_map, reading, channel, channels, mixing, gradient, product,
                       static_cast<double>(c.pixels));
  }
}

// By one block. Inputs may share a weight: their sums are added one after another.
__device__ inline void add_mixing_gradients(const Combine& c) {
  const int channels = c.output.channels;
  for (int k = static_cast<int>(threadIdx.x) / kLanes; k < c.count; k += kWarps) {
    if (c.inputs[k].mixing_gradient == nullptr) continue;
    double sum = 0;
    for (int channel = static_cast<int>(threadIdx.x) % kLanes; channel < channels; channel += kLanes) {
      sum += c.contributions[int64_t{k} * channels + channel];
    }
    sum = warp_sum(sum);
    if (threadIdx.x % kLanes == 0) c.contributions[int64_t{k} * channels] = sum;
  }
  __syncthreads();
  for_block(c.count, [&](int k) {
    double* target = c.inputs[k].mixing_gradient;
    bool first = target != nullptr;
    for (int earlier = 0; earlier < k; ++earlier) first = first && c.inputs[earlier].mixing_gradient != target;
    if (!first) return;
    double sum = *target;
    for (int later = k; later < c.count; ++later) {
      if (c.inputs[later].mixing_gradient == target) sum += c.contributions[int64_t{later} * channels];
    }
    *target = sum;
  });
}

__device__ __forceinline__ void backward(const Combine& c, Shared& shared) {
  const BackwardParts parts(shared, c.count);
  for_tasks(c.tasks(), [&](Index task) { backward_piece(c, task, parts); });
  wait_for_grid();
  const int channels = c.output.channels;
  for_warps(int64_t{c.count} * channels, [&](Index item) {
    const int k = static_cast<int>(item / channels);
    if (needs_sums(c.inputs[k])) finish_channel(c, k, static_cast<int>(item % channels));
  });
  wait_for_grid();
  if (blockIdx.x == 0) add_mixing_gradients(c);
}

}  // namespace dartsmith::cuda::combine
