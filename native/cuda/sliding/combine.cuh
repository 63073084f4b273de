// Sums of weighed inputs by warps: a unit is four rows of a group of columns; a lane keeps four by four pixels of two
// channels in registers while the inputs go by. Inputs that are pooled on the way, 3 x 3, are read as six by six
// pixels, each once for the average and the maximum, pooled along rows first, then along columns as the rows go by.
// Backward keeps the output's gradient in registers instead; what its blocks sum, combine.cuh joins.
#pragma once
#include "cuda/combine.cuh"
#include "cuda/sliding/square.cuh"

namespace dartsmith::cuda::sliding {

using combine::Combine;
using combine::CombineInput;

struct CombineParts {
  float* means;        // [inputs, C]
  float* factors;      // [inputs, C]
  float* base;         // [C]: all shifts
  float* reciprocals;  // see average_square
  float* sums;         // backward: [1 + inputs, kUnits, C]
  __host__ __device__ CombineParts(Shared& shared, int inputs, int channels, bool backward)
      : means(shared.take<float>(inputs * channels)),
        factors(shared.take<float>(inputs * channels)),
        base(shared.take<float>(channels)),
        reciprocals(shared.take<float>(kReciprocals)),
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
    load_reciprocals(reciprocals);
  }
};

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
      average_square<1>(square, reciprocals, input.window.count_include_pad, sums);
      add(k++, sums, std::true_type{});
      if (!input.leads_pair) continue;
    }
    add(k++, maxima, std::true_type{});
  }
}

template <int kChannels, bool half>
__global__ void __launch_bounds__(kBlockThreads, 4) combine_forward_kernel(DARTSMITH_ARGUMENT(Combine) c) {
  begin_kernel();
  Shared shared(shared_memory());
  const CombineParts parts(shared, c.count, kChannels, false);
  parts.template load<kChannels>(c);
  __syncthreads();
  const Index unit = blockIdx.x * kUnits + threadIdx.x / kLanes;
  if (unit >= c.units) return;
  const Square<kChannels, half> square(c.height, c.width, unit);
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
  begin_kernel();
  using Shape = WarpShape<kChannels>;
  Shared shared(shared_memory());
  const CombineParts parts(shared, c.count, kChannels, true);
  parts.template load<kChannels>(c);
  __syncthreads();
  const int lane = lane_number(), warp = warp_number();
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
  const Square<kChannels, half> square(c.height, c.width, unit < c.units ? unit : 0);
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

}  // namespace dartsmith::cuda::sliding
