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
  float* base;         // [C]: the shifts of inputs that are not dropped
  float* reciprocals;  // see average_square
  float* kept;         // [kUnits, inputs]: what a unit's sample of an input is multiplied by
  float* shifts;       // [inputs, C], where some are dropped
  float* sums;         // backward: [Combine::sums(), kUnits, C]
  __host__ __device__ CombineParts(Shared& shared, const Combine& c, int channels, bool backward)
      : means(shared.take<float>(c.count * channels)),
        factors(shared.take<float>(c.count * channels)),
        base(shared.take<float>(channels)),
        reciprocals(shared.take<float>(kReciprocals)),
        kept(shared.take<float>(c.dropped > 0 ? kUnits * c.count : 0)),
        shifts(shared.take<float>(c.dropped > 0 ? c.count * channels : 0)),
        sums(backward ? shared.take<float>(c.sums() * kUnits * channels) : nullptr) {}

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
        const float shift = r.shift == nullptr ? 0.0f : mixing * r.shift[channel];
        const bool drops = c.inputs[k].dropout.settings != nullptr;
        if (c.dropped > 0) shifts[k * kChannels + channel] = drops ? shift : 0.0f;
        if (!drops) sum += shift;
      }
      base[channel] = sum;
    }
    load_reciprocals(reciprocals);
  }
  // Of this warp's sample, by the warp.
  __device__ void load_kept(const Combine& c, Index image) const {
    if (c.dropped == 0) return;
    for (int k = lane_number(); k < c.count; k += kLanes) {
      kept[warp_number() * c.count + k] = c.inputs[k].dropout.factor(image);
    }
    __syncwarp();
  }
  // Of an input.
  __device__ __forceinline__ float kept_of(const Combine& c, int k) const {
    return c.dropped == 0 ? 1.0f : kept[warp_number() * c.count + k];
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

// What is left of a sum over a sample: nothing of one that is dropped, NaN or not.
__device__ __forceinline__ float2 kept_part(float2 sum, float kept) {
  return kept == 0 ? make_float2(0, 0) : sum * make_float2(kept, kept);
}

template <int kChannels, bool half>
__global__ void __launch_bounds__(kBlockThreads, 4) combine_forward_kernel(DARTSMITH_ARGUMENT(Combine) c) {
  begin_kernel();
  Shared shared(shared_memory());
  const CombineParts parts(shared, c, kChannels, false);
  parts.template load<kChannels>(c);
  __syncthreads();
  const Index unit = blockIdx.x * kUnits + threadIdx.x / kLanes;
  if (unit >= c.units) return;
  const Square<kChannels, half> square(c.height, c.width, unit);
  const auto two = [&](const float* values) { return *reinterpret_cast<const float2*>(values + square.channel); };
  parts.load_kept(c, square.image());
  float2 base = two(parts.base);
  if (c.dropped > 0) {
    for (int k = 0; k < c.count; ++k) {
      const float kept = parts.kept_of(c, k);
      base = fused(make_float2(kept, kept), two(parts.shifts + k * kChannels), base);
    }
  }
  SquareValues sums;
  for_square([&](int row, int column) {
    sums[row][column] = c.accumulate ? base + square.load(c.output.data, row, column) : base;
  });
  for_squares(c, square, parts.reciprocals, [&](int k, const SquareValues& values, auto) {
    const float kept = parts.kept_of(c, k);
    if (kept == 0) return;  // NaN or not
    const float2 mean = two(parts.means + k * kChannels);
    const float2 factor = two(parts.factors + k * kChannels) * make_float2(kept, kept);
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
  const CombineParts parts(shared, c, kChannels, true);
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
  parts.load_kept(c, square.image());
  if (c.dropped > 0) {
    for (int k = 0; k < c.count; ++k) {
      if (c.inputs[k].gradient_sum > 0)
        keep(c.inputs[k].gradient_sum, kept_part(total, parts.kept_of(c, k)), square.channel);
    }
  }
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
      keep(1 + k, kept_part(sum, parts.kept_of(c, k)), square.channel);
    }
    if (pooled.value || input.mode == GradientMode::kIgnore || input.reading.statistics != nullptr) return;
    if (unit >= c.units) return;
    const float mixing = combine::mixing_of(input), kept = parts.kept_of(c, k);
    for_square([&](int row, int column) {
      float2 g = kept_part(gradients[row][column] * make_float2(mixing, mixing), kept);
      if (input.mode == GradientMode::kAccumulate) g = g + square.load(input.target.data, row, column);
      square.store(input.target.data, row, column, g);
    });
  });
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < c.sums() * kChannels; i += kBlockThreads) {
    const int which = i / kChannels, channel = i % kChannels;
    if (which > 0 && which <= c.count && !combine::needs_sums(c.inputs[which - 1])) continue;
    float sum = 0;
    for (int w = 0; w < kUnits; ++w) sum += parts.sums[(which * kUnits + w) * kChannels + channel];
    c.partials.at(which, channel, blockIdx.x) = sum;
  }
}

}  // namespace dartsmith::cuda::sliding
