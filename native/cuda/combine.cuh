// combine: out = sum over inputs of p_k * y_k, normalised inputs as p_k * (rstd_k * (y_k - mean_k) * scale_k +
// shift_k), in one pass over memory; a pooled input is pooled on the way, and samples are dropped as p_k = 0. Backward:
// one pass gives, for all inputs, the batch-norm gradient sums, the dot products that are dL/dp_k, and the gradients of
// plain inputs; then the pieces are joined. A thread has several pixels and asks for what several inputs hold of them
// before it uses any.
#pragma once
#include "cuda/moments.cuh"
#include "cuda/pool_window.cuh"
#include "cuda/sample_dropout.cuh"

namespace dartsmith::cuda::combine {

inline constexpr int kInputs = 40;   // of one launch: five edges of eight candidates
inline constexpr int kPixels = 128;  // of a piece
inline constexpr int kTogether = 2;  // pixels of a thread at once
// Channels at once: backward keeps a sum of every input, so that fewer fit.
inline constexpr int kBackwardChunk = 32;

struct CombineInput {
  View y;
  Reading reading;
  const float* mixing;  // null for 1
  PoolWindow window;
  bool pooled;
  bool leads_pair;  // an average whose window of 3 x 3 the next input takes the maximum of
  SampleDropout dropout;
  // Backward.
  double* mixing_gradient;
  float* scale_gradient;
  float* shift_gradient;
  float* gradient_map;
  View target;
  GradientMode mode;
  int gradient_sum;  // of the partials, the one that has this input's gradients: 0 where nothing of it is dropped
};

struct Combine {
  int count;
  int plain;    // of them first, pooled ones behind
  int dropped;  // of them whose samples may be dropped
  int images;   // that a piece may lie in, where there are such
  View output;  // or its gradient
  bool accumulate;
  int64_t pixels;
  int64_t pieces;
  int chunks;
  // Of the gradient; of gradient * (y_k - mean_k), an input after another; of the gradients of inputs that are dropped.
  Partials partials;
  double* contributions;     // to the mixing weights' gradients [inputs, channels]
  double statistics_pixels;  // see the function of that name
  int height, width;         // of an image
  Index units;               // of sliding warps
  unsigned* ticket;
  CombineInput inputs[kInputs];  // `count` of them

  __host__ __device__ int64_t tasks() const { return pieces * chunks; }
  __host__ __device__ int sums() const { return 1 + count + dropped; }
  __device__ __forceinline__ Index image(Index pixel) const { return pixel / static_cast<Index>(height * width); }
};

// What the samples of a piece are multiplied by, an input after another: [inputs, images], by the whole block.
struct SampleFactors {
  float* factors;  // null where nothing is dropped
  int images;
  Index first;

  __device__ SampleFactors(const Combine& c, float* memory, Index first_pixel)
      : factors(c.dropped > 0 ? memory : nullptr), images(c.images), first(c.image(first_pixel)) {
    if (factors == nullptr) return;
    for_block(c.count * images, [&](int item) {
      factors[item] = c.inputs[item / images].dropout.factor(first + static_cast<Index>(item % images));
    });
  }
  __device__ __forceinline__ float of(int input, Index image) const {
    return factors[input * images + (image - first)];
  }
};

template <Layout layout>
__device__ __forceinline__ float4 load_input(const CombineInput& input, bool pooled, Index pixel, int channel) {
  return pooled ? input.window.value<layout>(input.y, pixel, channel) : input.y.load<layout>(pixel, channel);
}

__device__ __forceinline__ float mixing_of(const CombineInput& input) {
  return input.mixing == nullptr ? 1.0f : *input.mixing;
}

struct ForwardParts {
  float4* factors;  // [inputs, mean factor shift, kChunk / 4]
  float* samples;   // SampleFactors
  __host__ __device__ explicit ForwardParts(Shared& shared, const Combine& c)
      : factors(shared.take<float4>(int64_t{c.count} * 3 * kChunk / 4)),
        samples(shared.take<float>(c.dropped > 0 ? c.count * c.images : 0)) {}
};

// A thread's pixels of a piece that ends before `end`; `factors` are those of its vector of channels.
template <Layout layout>
__device__ __forceinline__ void forward_piece(const Combine& c, int64_t first, int64_t end, int rows, int channel,
                                              const float4* factors, const SampleFactors& samples) {
  constexpr int kVectors = kChunk / 4;
  for (int64_t p = first; p < end; p += kTogether * rows) {
    Index pixels[kTogether];
    float4 sums[kTogether];
    for (int i = 0; i < kTogether; ++i) {
      pixels[i] = static_cast<Index>(smaller(p + i * rows, end - 1));  // the last once more where there are no more
      sums[i] = c.accumulate ? c.output.load<layout>(pixels[i], channel) : splat(0);
    }
    const auto add = [&](int k, int i, float4 y) {
      const float4* own = factors + k * 3 * kVectors;
      const float4 term = fused(y - own[0], own[kVectors], own[2 * kVectors]);
      sums[i] = sums[i] + (samples.factors == nullptr ? term : dropped(term, samples.of(k, c.image(pixels[i]))));
    };
#pragma unroll 4
    for (int k = 0; k < c.plain; ++k) {
      for (int i = 0; i < kTogether; ++i) add(k, i, load_input<layout>(c.inputs[k], false, pixels[i], channel));
    }
    for (int k = c.plain; k < c.count; ++k) {
      const CombineInput& input = c.inputs[k];
      for (int i = 0; i < kTogether; ++i) {
        if (input.leads_pair) {
          float4 average, maximum;
          input.window.average_and_maximum<layout>(input.y, pixels[i], channel, average, maximum);
          add(k, i, average);
          add(k + 1, i, maximum);
        } else {
          add(k, i, load_input<layout>(input, true, pixels[i], channel));
        }
      }
      if (input.leads_pair) ++k;
    }
    for (int i = 0; i < kTogether; ++i) {
      if (p + i * rows < end) c.output.store<layout>(pixels[i], channel, sums[i]);
    }
  }
}

template <Layout layout>
__device__ __forceinline__ void forward(const Combine& c, Shared& shared) {
  constexpr int kVectors = kChunk / 4;
  const ForwardParts parts(shared, c);
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
    const SampleFactors samples(c, parts.samples, first);
    __syncthreads();
    const Spread spread(channels - chunk);
    const int channel = chunk + spread.vector * 4;
    if (channel >= channels) return;
    forward_piece<layout>(c, first + spread.row, smaller(first + kPixels, c.pixels), spread.rows, channel,
                          parts.factors + spread.vector, samples);
  });
}

__device__ __forceinline__ bool needs_sums(const CombineInput& input) {
  return input.mixing_gradient != nullptr || input.gradient_map != nullptr || input.scale_gradient != nullptr;
}

struct BackwardParts {
  float4* sums;    // [sums, kWarps, kBackwardChunk / 4]
  float* samples;  // SampleFactors
  __host__ __device__ explicit BackwardParts(Shared& shared, const Combine& c)
      : sums(shared.take<float4>(int64_t{c.sums()} * kWarps * kBackwardChunk / 4)),
        samples(shared.take<float>(c.dropped > 0 ? c.count * c.images : 0)) {}
};

// A warp's sum over its rows, left in `sums` for the block to add up.
__device__ __forceinline__ void keep_warp_sum(const Spread& spread, float4 sum, float4* sums) {
  for (int lanes = spread.vectors; lanes < kLanes; lanes *= 2) {
    for (int i = 0; i < 4; ++i) at(sum, i) += __shfl_xor_sync(0xffffffffu, at(sum, i), lanes);
  }
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  if (lane < spread.vectors) sums[static_cast<int>(threadIdx.x) / kLanes * spread.vectors + lane] = sum;
}

// A thread's pixels of a piece, those that there are, and the gradient of the output there.
template <Layout layout>
struct OwnPixels {
  static constexpr int kCount = kPixels * kBackwardChunk / 4 / kThreads;
  Index pixels[kCount];
  bool exist[kCount];
  bool count[kCount];  // exist and are not dropped
  float4 gradients[kCount];

  __device__ __forceinline__ OwnPixels(const Combine& c, const Spread& spread, Index first, int channel) {
    const int64_t end = smaller(int64_t{first} + kPixels, c.pixels);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const int own = spread.row + i * spread.rows;
      exist[i] = own < kPixels && first + own < end && channel < c.output.channels;
      count[i] = exist[i];
      pixels[i] = exist[i] ? first + own : first;
    }
#pragma unroll
    for (int i = 0; i < kCount; ++i) gradients[i] = exist[i] ? c.output.load<layout>(pixels[i], channel) : splat(0);
  }

  // Those of input k, of which samples may be dropped.
  __device__ __forceinline__ OwnPixels of_input(const Combine& c, int k, const SampleFactors& samples) const {
    OwnPixels own = *this;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const float kept = samples.of(k, c.image(pixels[i]));
      own.count[i] = exist[i] && kept != 0;
      own.gradients[i] = dropped(gradients[i], kept);
    }
    return own;
  }
};

// Over a thread's pixels.
template <Layout layout>
__device__ __forceinline__ float4 sum_of(const OwnPixels<layout>& own) {
  float4 total = splat(0);
#pragma unroll
  for (int i = 0; i < own.kCount; ++i) total = total + own.gradients[i];
  return total;
}

// Poolings one by one, pairs too: sliding warps take those together.
template <Layout layout>
__device__ __forceinline__ void backward_input(const CombineInput& input, bool pooled, const Spread& spread,
                                               const OwnPixels<layout>& own, int channel, float4* sums) {
  const bool measured = needs_sums(input);
  if (measured) {
    const float4 mean = channel_values(input.reading.statistics, channel, input.y.channels);
    float4 values[own.kCount], sum = splat(0);
#pragma unroll
    for (int i = 0; i < own.kCount; ++i) {
      values[i] = own.count[i] ? load_input<layout>(input, pooled, own.pixels[i], channel) : mean;
    }
#pragma unroll
    for (int i = 0; i < own.kCount; ++i) sum = fused(own.gradients[i], values[i] - mean, sum);
    keep_warp_sum(spread, sum, sums);
  }
  if (input.mode == GradientMode::kIgnore || input.reading.statistics != nullptr) return;
  const float4 mixing = splat(mixing_of(input));
#pragma unroll
  for (int i = 0; i < own.kCount; ++i) {
    if (!own.exist[i]) continue;
    input.target.add<layout>(own.pixels[i], channel, mixing * own.gradients[i],
                             input.mode == GradientMode::kAccumulate);
  }
}

template <Layout layout>
__device__ __forceinline__ void backward_piece(const Combine& c, Index task, const BackwardParts& parts) {
  const Index piece = task / c.chunks;
  const int chunk = static_cast<int>(task % c.chunks) * kBackwardChunk, channels = c.output.channels;
  const Spread spread(channels - chunk, kBackwardChunk);
  const int channel = chunk + spread.vector * 4, per_sum = kWarps * spread.vectors;
  const OwnPixels<layout> all(c, spread, piece * kPixels, channel);
  __syncthreads();
  const SampleFactors samples(c, parts.samples, piece * kPixels);
  __syncthreads();
  keep_warp_sum(spread, sum_of(all), parts.sums);
  for (int k = 0; k < c.count; ++k) {
    OwnPixels<layout> own = all;
    if (c.inputs[k].gradient_sum > 0) {
      own = all.of_input(c, k, samples);
      keep_warp_sum(spread, sum_of(own), parts.sums + c.inputs[k].gradient_sum * per_sum);
    }
    backward_input<layout>(c.inputs[k], k >= c.plain, spread, own, channel, parts.sums + (1 + k) * per_sum);
  }
  __syncthreads();
  for_block(c.sums() * spread.vectors, [&](int item) {
    const int which = item / spread.vectors, vector = item % spread.vectors;
    const bool of_product = which > 0 && which <= c.count;
    if (chunk + vector * 4 >= channels || (of_product && !needs_sums(c.inputs[which - 1]))) return;
    float4 sum = splat(0);
    for (int w = 0; w < kWarps; ++w) sum = sum + parts.sums[which * per_sum + w * spread.vectors + vector];
    c.partials.store(which, chunk + vector * 4, piece, sum);
  });
}

// One channel of one input, a warp together: its batch-norm's gradients, and what it adds to its weight's.
__device__ inline void finish_channel(const Combine& c, int k, int channel) {
  const CombineInput& input = c.inputs[k];
  const int channels = c.output.channels;
  const double gradient = join_pieces(c.partials, input.gradient_sum, channel);
  const double product = join_pieces(c.partials, 1 + k, channel);
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
    write_gradient_map(input.gradient_map, reading, channel, channels, mixing, gradient, product, c.statistics_pixels);
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

}  // namespace dartsmith::cuda::combine
