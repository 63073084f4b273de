// combine: out = sum over inputs of p_k * y_k, normalised inputs as p_k * (rstd_k * (y_k - mean_k) * scale_k +
// shift_k), in one pass over memory; a pooled input is pooled on the way. Backward: one pass gives, for all inputs, the
// batch-norm gradient sums, the dot products that are dL/dp_k, and the gradients of plain inputs; then the pieces are
// joined. A thread has several pixels and asks for what several inputs hold of them before it uses any.
#pragma once
#include "cuda/moments.cuh"
#include "cuda/pool_window.cuh"

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
  int plain;    // of them first, pooled ones behind
  View output;  // or its gradient
  bool accumulate;
  int64_t pixels;
  int64_t pieces;
  int chunks;
  Partials partials;         // of the gradient; of gradient * (y_k - mean_k), an input after another
  double* contributions;     // to the mixing weights' gradients [inputs, channels]
  double statistics_pixels;  // see the function of that name
  // Of sliding warps.
  int height, width;  // of an image
  Index units;
  unsigned* ticket;
  CombineInput inputs[kInputs];  // `count` of them

  __host__ __device__ int64_t tasks() const { return pieces * chunks; }
};

// One of a kind of inputs, or the two of a pair, as it and those behind it are told.
enum class Kind { kPlain, kPooled, kPair };
template <Kind kind>
inline constexpr int kInputsOf = kind == Kind::kPair ? 2 : 1;

// Calls body(k, kind, a constant) for the inputs in order, those of a pair at once.
template <typename Body>
__device__ __forceinline__ void for_inputs(const Combine& c, const Body& body) {
  using std::integral_constant;
#pragma unroll 4
  for (int k = 0; k < c.plain; ++k) body(k, integral_constant<Kind, Kind::kPlain>{});
  for (int k = c.plain; k < c.count;) {
    if (c.inputs[k].leads_pair) {
      body(k, integral_constant<Kind, Kind::kPair>{});
      k += 2;
    } else {
      body(k, integral_constant<Kind, Kind::kPooled>{});
      ++k;
    }
  }
}

template <Kind kind, Layout layout>
__device__ __forceinline__ void load_inputs(const CombineInput& input, Index pixel, int channel,
                                            float4 (&values)[kInputsOf<kind>]) {
  if constexpr (kind == Kind::kPair) {
    input.window.average_and_maximum<layout>(input.y, pixel, channel, values[0], values[1]);
  } else if constexpr (kind == Kind::kPooled) {
    values[0] = input.window.value<layout>(input.y, pixel, channel);
  } else {
    values[0] = input.y.load<layout>(pixel, channel);
  }
}

__device__ __forceinline__ float mixing_of(const CombineInput& input) {
  return input.mixing == nullptr ? 1.0f : *input.mixing;
}

struct ForwardParts {
  float4* factors;  // [inputs, mean factor shift, kChunk / 4]
  __host__ __device__ ForwardParts(Shared& shared, int inputs)
      : factors(shared.take<float4>(int64_t{inputs} * 3 * kChunk / 4)) {}
};

// A thread's pixels of a piece that ends before `end`; `factors` are those of its vector of channels.
template <Layout layout>
__device__ __forceinline__ void forward_piece(const Combine& c, int64_t first, int64_t end, int rows, int channel,
                                              const float4* factors) {
  constexpr int kVectors = kChunk / 4;
  for (int64_t p = first; p < end; p += kTogether * rows) {
    Index pixels[kTogether];
    float4 sums[kTogether];
    for (int i = 0; i < kTogether; ++i) {
      pixels[i] = static_cast<Index>(smaller(p + i * rows, end - 1));  // the last once more where there are no more
      sums[i] = c.accumulate ? c.output.load<layout>(pixels[i], channel) : splat(0);
    }
    for_inputs(c, [&](int k, auto kind) {
      for (int i = 0; i < kTogether; ++i) {
        float4 y[kInputsOf<kind.value>];
        load_inputs<kind.value, layout>(c.inputs[k], pixels[i], channel, y);
#pragma unroll
        for (int j = 0; j < kInputsOf<kind.value>; ++j) {
          const float4* own = factors + (k + j) * 3 * kVectors;
          sums[i] = sums[i] + fused(y[j] - own[0], own[kVectors], own[2 * kVectors]);
        }
      }
    });
    for (int i = 0; i < kTogether; ++i) {
      if (p + i * rows < end) c.output.store<layout>(pixels[i], channel, sums[i]);
    }
  }
}

template <Layout layout>
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
    forward_piece<layout>(c, first + spread.row, smaller(first + kPixels, c.pixels), spread.rows, channel,
                          parts.factors + spread.vector);
  });
}

__device__ __forceinline__ bool needs_sums(const CombineInput& input) {
  return input.mixing_gradient != nullptr || input.gradient_map != nullptr || input.scale_gradient != nullptr;
}

struct BackwardParts {
  float4* sums;  // [1 + inputs, kWarps, kBackwardChunk / 4]
  __host__ __device__ BackwardParts(Shared& shared, int inputs)
      : sums(shared.take<float4>(int64_t{1 + inputs} * kWarps * kBackwardChunk / 4)) {}
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
  float4 gradients[kCount];

  __device__ __forceinline__ OwnPixels(const Combine& c, const Spread& spread, Index first, int channel) {
    const int64_t end = smaller(int64_t{first} + kPixels, c.pixels);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const int own = spread.row + i * spread.rows;
      exist[i] = own < kPixels && first + own < end && channel < c.output.channels;
      pixels[i] = exist[i] ? first + own : first;
    }
#pragma unroll
    for (int i = 0; i < kCount; ++i) gradients[i] = exist[i] ? c.output.load<layout>(pixels[i], channel) : splat(0);
  }
};

template <Kind kind, Layout layout>
__device__ __forceinline__ void backward_inputs(const CombineInput* inputs, const Spread& spread,
                                                const OwnPixels<layout>& own, int channel, float4* sums, int per_sum) {
  constexpr int kCount = kInputsOf<kind>;
  bool measured[kCount], any = false;
  float4 mean[kCount], sum[kCount];
#pragma unroll
  for (int j = 0; j < kCount; ++j) {
    measured[j] = needs_sums(inputs[j]);
    any = any || measured[j];
    mean[j] = channel_values(inputs[j].reading.statistics, channel, inputs[j].y.channels);
    sum[j] = splat(0);
  }
  if (any) {
    float4 values[own.kCount][kCount];
#pragma unroll
    for (int i = 0; i < own.kCount; ++i) {
      for (int j = 0; j < kCount; ++j) values[i][j] = mean[j];
      if (own.exist[i]) load_inputs<kind, layout>(*inputs, own.pixels[i], channel, values[i]);
    }
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
#pragma unroll
      for (int i = 0; i < own.kCount; ++i) sum[j] = fused(own.gradients[i], values[i][j] - mean[j], sum[j]);
      if (measured[j]) keep_warp_sum(spread, sum[j], sums + j * per_sum);
    }
  }
  // A pooled input's gradient goes back through its pooling: see pool.cuh.
  if (kind != Kind::kPlain || inputs->mode == GradientMode::kIgnore || inputs->reading.statistics != nullptr) return;
  const float4 mixing = splat(mixing_of(*inputs));
#pragma unroll
  for (int i = 0; i < own.kCount; ++i) {
    if (!own.exist[i]) continue;
    inputs->target.add<layout>(own.pixels[i], channel, mixing * own.gradients[i],
                               inputs->mode == GradientMode::kAccumulate);
  }
}

template <Layout layout>
__device__ __forceinline__ void backward_piece(const Combine& c, Index task, const BackwardParts& parts) {
  const Index piece = task / c.chunks;
  const int chunk = static_cast<int>(task % c.chunks) * kBackwardChunk, channels = c.output.channels;
  const Spread spread(channels - chunk, kBackwardChunk);
  const int channel = chunk + spread.vector * 4, per_sum = kWarps * spread.vectors;
  const OwnPixels<layout> own(c, spread, piece * kPixels, channel);
  __syncthreads();
  float4 total = splat(0);
#pragma unroll
  for (int i = 0; i < own.kCount; ++i) total = total + own.gradients[i];
  keep_warp_sum(spread, total, parts.sums);
  for_inputs(c, [&](int k, auto kind) {
    backward_inputs<kind.value>(c.inputs + k, spread, own, channel, parts.sums + (1 + k) * per_sum, per_sum);
  });
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

template <Layout layout>
__device__ __forceinline__ void backward(const Combine& c, Shared& shared) {
  const BackwardParts parts(shared, c.count);
  for_tasks(c.tasks(), [&](Index task) { backward_piece<layout>(c, task, parts); });
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
