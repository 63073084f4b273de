// Sums of weighed inputs by warps: a unit is four rows of a group of columns; a lane keeps four by four pixels of two
// channels in registers while the inputs go by. Inputs that are pooled on the way, 3 x 3, are read as six by six
// pixels, each once for the average and the maximum, pooled along rows first, then along columns as the rows go by.
// Backward keeps the output's gradient in registers instead; what its blocks sum, combine.cuh joins.
#pragma once
#include "cuda/combine.cuh"
#include "cuda/sliding/lanes.cuh"

namespace dartsmith::cuda::sliding {

using combine::Combine;
using combine::CombineInput;
using combine::Kind;

inline constexpr int kCombineRows = 4;
inline constexpr int kPooledSpan = 6;  // rows and columns that four windows of 3 x 3 cover

#ifdef DARTSMITH_SIMT
using CombineKernel = void (*)(const Combine&);
#else
using CombineKernel = void (*)(Combine);
#endif

struct CombineParts {
  float* means;        // [inputs, C]
  float* factors;      // [inputs, C]
  float* base;         // [C]: all shifts
  float* reciprocals;  // of the pixels that a window covers
  float* sums;         // backward: [1 + inputs, kUnits, C]
  __host__ __device__ CombineParts(Shared& shared, int inputs, int channels, bool backward)
      : means(shared.take<float>(inputs * channels)),
        factors(shared.take<float>(inputs * channels)),
        base(shared.take<float>(channels)),
        reciprocals(shared.take<float>(10)),
        sums(backward ? shared.take<float>((1 + inputs) * kUnits * channels) : nullptr) {}

  // By the whole block.
  template <int kChannels>
  __device__ void load(const Combine& c) const {
    for (int channel = static_cast<int>(threadIdx.x); channel < kChannels; channel += kBlockThreads) {
      float sum = 0;
      for (int k = 0; k < c.count; ++k) {
        const Reading& r = c.inputs[k].reading;
        const bool normalised = r.statistics != nullptr;
        const float mixing = combine::mixing_of(c.inputs[k]);
        const float factor =
            (normalised ? r.statistics[kChannels + channel] : 1.0f) * (r.scale == nullptr ? 1.0f : r.scale[channel]);
        means[k * kChannels + channel] = normalised ? r.statistics[channel] : 0.0f;
        factors[k * kChannels + channel] = mixing * factor;
        if (r.shift != nullptr) sum += mixing * r.shift[channel];
      }
      base[channel] = sum;
    }
    if (threadIdx.x < 10) reciprocals[threadIdx.x] = 1.0f / static_cast<float>(threadIdx.x);
  }
};

// Where a lane's four by four pixels lie.
template <int kChannels, bool half>
class Square {
  using Shape = WarpShape<kChannels>;
  using Own = Elements<half, 2>;
  using Bits = typename Own::Bits;
  static constexpr int kElementBytes = half ? 2 : 4, kPixelBytes = kChannels * kElementBytes;

 public:
  int channel;

  __device__ Square(const Combine& c, Index unit) {
    const int lane = static_cast<int>(threadIdx.x) % kLanes;
    const Index across = static_cast<Index>(divide_up(c.width, Shape::kColumns));
    const Index down = static_cast<Index>(divide_up(c.height, kCombineRows));
    const Index image = unit / (across * down), rest = unit - image * across * down;
    top_ = static_cast<int>(rest / across) * kCombineRows;
    left_ = static_cast<int>(rest % across) * Shape::kColumns + lane / Shape::kPairs * kQuadColumns;
    height_ = c.height;
    width_ = c.width;
    channel = lane % Shape::kPairs * 2;
    pitch_ = c.width * kPixelBytes;
    const int64_t pixel = (int64_t{image} * c.height + top_) * c.width + left_;
    offset_ = (pixel * kChannels + channel) * kElementBytes;
  }
  // Row and column from those of the first pixel.
  __device__ __forceinline__ bool has(int row, int column) const {
    return static_cast<unsigned>(top_ + row) < static_cast<unsigned>(height_) &&
           static_cast<unsigned>(left_ + column) < static_cast<unsigned>(width_);
  }
  __device__ __forceinline__ bool has_row(int row) const {
    return static_cast<unsigned>(top_ + row) < static_cast<unsigned>(height_);
  }
  // 0 outside the image.
  __device__ __forceinline__ float2 load(const void* data, int row, int column) const {
    const auto* from = static_cast<const unsigned char*>(data) + offset_ + row * pitch_ + column * kPixelBytes;
    return has(row, column) ? Own::value(*reinterpret_cast<const Bits*>(from)) : make_float2(0, 0);
  }
  __device__ __forceinline__ void store(void* data, int row, int column, float2 value) const {
    if (!has(row, column)) return;
    auto* to = static_cast<unsigned char*>(data) + offset_ + row * pitch_ + column * kPixelBytes;
    if constexpr (half) {
      *reinterpret_cast<unsigned*>(to) = to_bfloat16_pair(value.x, value.y);
    } else {
      *reinterpret_cast<float2*>(to) = value;
    }
  }
  // Pixels that the window of 3 x 3 around a pixel covers.
  __device__ __forceinline__ int covered(int row, int column) const {
    return extent(top_ + row, height_) * extent(left_ + column, width_);
  }

 private:
  __device__ static __forceinline__ int extent(int at, int size) {
    return 3 - (at == 0 ? 1 : 0) - (at == size - 1 ? 1 : 0);
  }
  int top_, left_, height_, width_, pitch_;
  int64_t offset_;
};

using SquareValues = float2[kCombineRows][kQuadColumns];

// Calls body(row, column) for a lane's pixels.
template <typename Body>
__device__ __forceinline__ void for_square(const Body& body) {
#pragma unroll
  for (int row = 0; row < kCombineRows; ++row) {
#pragma unroll
    for (int column = 0; column < kQuadColumns; ++column) body(row, column);
  }
}

// Sums and maxima of the windows of 3 x 3 around a lane's pixels.
template <int kChannels, bool half>
__device__ __forceinline__ void pool_square(const Square<kChannels, half>& square, const void* data, SquareValues& sums,
                                            SquareValues& maxima) {
  for_square([&](int row, int column) {
    sums[row][column] = make_float2(0, 0);
    maxima[row][column] = make_float2(-INFINITY, -INFINITY);
  });
#pragma unroll
  for (int in = 0; in < kPooledSpan; ++in) {
    if (!square.has_row(in - 1)) continue;  // the same for all lanes
    float2 values[kPooledSpan], floors[kPooledSpan];
#pragma unroll
    for (int i = 0; i < kPooledSpan; ++i) {
      values[i] = square.load(data, in - 1, i - 1);
      floors[i] = square.has(in - 1, i - 1) ? values[i] : make_float2(-INFINITY, -INFINITY);
    }
#pragma unroll
    for (int column = 0; column < kQuadColumns; ++column) {
      const float2 sum = values[column] + values[column + 1] + values[column + 2];
      const float2 maximum = larger_of(larger_of(floors[column], floors[column + 1]), floors[column + 2]);
#pragma unroll
      for (int row = 0; row < kCombineRows; ++row) {
        if (in < row || in > row + 2) continue;
        sums[row][column] = sums[row][column] + sum;
        maxima[row][column] = larger_of(maxima[row][column], maximum);
      }
    }
  }
}

// Calls add(input, values, whether it is pooled, a constant) for the inputs in order; an average and the maximum of the
// same windows are had from one look at the tensor.
template <int kChannels, bool half, typename Add>
__device__ __forceinline__ void for_squares(const Combine& c, const Square<kChannels, half>& square,
                                            const float* reciprocals, const Add& add) {
#pragma unroll 1
  for (int k = 0; k < c.plain; ++k) {
    SquareValues values;
    for_square([&](int row, int column) { values[row][column] = square.load(c.inputs[k].y.data, row, column); });
    add(k, values, std::false_type{});
  }
#pragma unroll 1
  for (int k = c.plain; k < c.count;) {
    const CombineInput& input = c.inputs[k];
    SquareValues sums, maxima;
    pool_square(square, input.y.data, sums, maxima);
    if (!input.window.takes_max) {
      for_square([&](int row, int column) {
        const int covered = input.window.count_include_pad ? 9
                            : square.has(row, column)      ? square.covered(row, column)
                                                           : 1;
        const float reciprocal = reciprocals[covered];
        sums[row][column] = sums[row][column] * make_float2(reciprocal, reciprocal);
      });
      add(k++, sums, std::true_type{});
      if (!input.leads_pair) continue;
    }
    add(k++, maxima, std::true_type{});
  }
}

template <int kChannels, bool half>
__global__ void __launch_bounds__(kBlockThreads, 4) combine_forward_kernel(DARTSMITH_ARGUMENT(Combine) c) {
  Shared shared(shared_memory());
  const CombineParts parts(shared, c.count, kChannels, false);
  parts.template load<kChannels>(c);
  __syncthreads();
  const Index unit = blockIdx.x * kUnits + threadIdx.x / kLanes;
  if (unit >= c.units) return;
  const Square<kChannels, half> square(c, unit);
  const auto two = [&](const float* values) { return *reinterpret_cast<const float2*>(values + square.channel); };
  const float2 base = two(parts.base);
  SquareValues sums;
  for_square([&](int row, int column) {
    sums[row][column] = c.accumulate ? base + square.load(c.output.data, row, column) : base;
  });
  for_squares(c, square, parts.reciprocals, [&](int k, const SquareValues& values, auto) {
    const float2 mean = two(parts.means + k * kChannels), factor = two(parts.factors + k * kChannels);
    for_square(
        [&](int row, int column) { sums[row][column] = fused(values[row][column] - mean, factor, sums[row][column]); });
  });
  for_square([&](int row, int column) { square.store(c.output.data, row, column, sums[row][column]); });
}

template <int kChannels, bool half>
__global__ void __launch_bounds__(kBlockThreads, 4) combine_backward_kernel(DARTSMITH_ARGUMENT(Combine) c) {
  using Shape = WarpShape<kChannels>;
  Shared shared(shared_memory());
  const CombineParts parts(shared, c.count, kChannels, true);
  parts.template load<kChannels>(c);
  __syncthreads();
  const int lane = static_cast<int>(threadIdx.x) % kLanes, warp = static_cast<int>(threadIdx.x) / kLanes;
  const Index unit = blockIdx.x * kUnits + static_cast<Index>(warp);
  // The sum of a warp for its channels: number 0 is that of the gradient itself.
  const auto keep = [&](int which, float2 sum, int channel) {
#pragma unroll
    for (int lanes = Shape::kPairs; lanes < kLanes; lanes *= 2) {
      sum.x += __shfl_xor_sync(0xffffffffu, sum.x, lanes);
      sum.y += __shfl_xor_sync(0xffffffffu, sum.y, lanes);
    }
    if (lane < Shape::kPairs) {
      *reinterpret_cast<float2*>(parts.sums + (which * kUnits + warp) * kChannels + channel) = sum;
    }
  };
  const Square<kChannels, half> square(c, unit < c.units ? unit : 0);
  SquareValues gradients;
  float2 total = make_float2(0, 0);
  for_square([&](int row, int column) {
    gradients[row][column] = unit < c.units ? square.load(c.output.data, row, column) : make_float2(0, 0);
    total = total + gradients[row][column];
  });
  keep(0, total, square.channel);
  for_squares(c, square, parts.reciprocals, [&](int k, const SquareValues& values, auto pooled) {
    const CombineInput& input = c.inputs[k];
    if (combine::needs_sums(input)) {
      const float2 mean = *reinterpret_cast<const float2*>(parts.means + k * kChannels + square.channel);
      float2 sum = make_float2(0, 0);
      for_square([&](int row, int column) {
        // What lies outside the image has no part in it, NaN or not.
        const float2 distance = square.has(row, column) ? values[row][column] - mean : make_float2(0, 0);
        sum = fused(gradients[row][column], distance, sum);
      });
      keep(1 + k, sum, square.channel);
    }
    if (pooled.value || input.mode == GradientMode::kIgnore || input.reading.statistics != nullptr) return;
    if (unit >= c.units) return;
    const float mixing = combine::mixing_of(input);
    for_square([&](int row, int column) {
      float2 g = gradients[row][column] * make_float2(mixing, mixing);
      if (input.mode == GradientMode::kAccumulate) g = g + square.load(input.target.data, row, column);
      square.store(input.target.data, row, column, g);
    });
  });
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < (1 + c.count) * kChannels; i += kBlockThreads) {
    const int which = i / kChannels, channel = i % kChannels;
    if (which > 0 && !combine::needs_sums(c.inputs[which - 1])) continue;
    float sum = 0;
    for (int w = 0; w < kUnits; ++w) sum += parts.sums[(which * kUnits + w) * kChannels + channel];
    c.partials.at(which, channel, blockIdx.x) = sum;
  }
}

// Joins what the blocks summed, a warp a channel of an input; the last block adds the mixing weights' gradients.
__global__ void __launch_bounds__(kThreads) combine_finish_kernel(DARTSMITH_ARGUMENT(Combine) c) {
  Shared shared(shared_memory());
  unsigned* flag = shared.take<unsigned>(1);
  const Index item = blockIdx.x * kWarps + threadIdx.x / kLanes, channels = static_cast<Index>(c.output.channels);
  const int k = static_cast<int>(item / channels);
  if (k < c.count && combine::needs_sums(c.inputs[k])) {
    combine::finish_channel(c, k, static_cast<int>(item % channels));
  }
  by_last_block(c.ticket, gridDim.x, flag, [&] { combine::add_mixing_gradients(c); });
}

}  // namespace dartsmith::cuda::sliding
