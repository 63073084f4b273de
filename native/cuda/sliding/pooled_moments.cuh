// The statistics of lazy batch-norms of poolings that nobody stores, by warps: both poolings of a tensor, 3 x 3, from
// one look at it.
#pragma once
#include "cuda/sliding/square.cuh"

namespace dartsmith::cuda::sliding {

inline constexpr int kPlaces = 10;  // of a launch

// One pooling of a tensor, which several nodes measure: each moves its own running statistics.
struct MeasuredPooling {
  int members;       // 0 for none
  Partials moments;  // a unit's mean and squared deviations
  Normalisation norms[kMembers];
};

struct PooledPlace {
  const void* x;
  int height, width;
  bool count_include_pad;
  MeasuredPooling poolings[2];  // average, maximum
  int64_t pixels;
  Index units, blocks, first_block;
  unsigned* ticket;
};

struct alignas(16) PooledPhase {
  int count = 0;
  PooledPlace places[kPlaces];
};

struct PooledParts {
  float* reciprocals;
  unsigned* flag;
  __host__ __device__ explicit PooledParts(Shared& shared)
      : reciprocals(shared.take<float>(kReciprocals)), flag(shared.take<unsigned>(1)) {}
};

// Pixels of a unit.
template <int kChannels>
__device__ __forceinline__ int unit_pixels(const PooledPlace& place, Index unit) {
  constexpr int kColumns = WarpShape<kChannels>::kColumns;
  const Index across = static_cast<Index>(divide_up(place.width, kColumns));
  const Index down = static_cast<Index>(divide_up(place.height, kSquareRows));
  const int top = static_cast<int>(unit / across % down) * kSquareRows;
  const int left = static_cast<int>(unit % across) * kColumns;
  return static_cast<int>(smaller(kSquareRows, place.height - top) * smaller(kColumns, place.width - left));
}

// By the warp together, around the unit's first pixel.
template <int kChannels, bool half>
__device__ __forceinline__ void measure_square(const Square<kChannels, half>& square, const SquareValues& values,
                                               int count, const Partials& moments, Index unit) {
  constexpr int kPairs = WarpShape<kChannels>::kPairs;
  const int lane = lane_number();
  const float2 pivot = make_float2(__shfl_sync(0xffffffffu, values[0][0].x, lane % kPairs),
                                   __shfl_sync(0xffffffffu, values[0][0].y, lane % kPairs));
  float2 sum = make_float2(0, 0), squares = make_float2(0, 0);
  for_square([&](int row, int column) {
    const float2 d = square.has(row, column) ? values[row][column] - pivot : make_float2(0, 0);
    sum = sum + d;
    squares = fused(d, d, squares);
  });
#pragma unroll
  for (int lanes = kPairs; lanes < kLanes; lanes *= 2) {
    sum = sum + make_float2(__shfl_xor_sync(0xffffffffu, sum.x, lanes), __shfl_xor_sync(0xffffffffu, sum.y, lanes));
    squares = squares + make_float2(__shfl_xor_sync(0xffffffffu, squares.x, lanes),
                                    __shfl_xor_sync(0xffffffffu, squares.y, lanes));
  }
  if (lane >= kPairs) return;
  const float reciprocal = 1.0f / static_cast<float>(count);
  const float2 shift = sum * make_float2(reciprocal, reciprocal), deviations = squares - sum * shift;
  moments.at(0, square.channel, unit) = pivot.x + shift.x;
  moments.at(0, square.channel + 1, unit) = pivot.y + shift.y;
  moments.at(1, square.channel, unit) = deviations.x < 0 ? 0 : deviations.x;
  moments.at(1, square.channel + 1, unit) = deviations.y < 0 ? 0 : deviations.y;
}

template <int kChannels, bool half>
__global__ void __launch_bounds__(kBlockThreads, 4) pooled_moments_kernel(DARTSMITH_ARGUMENT(PooledPhase) phase) {
  begin_kernel();
  Shared shared(shared_memory());
  const PooledParts parts(shared);
  load_reciprocals(parts.reciprocals);
  __syncthreads();
  const PooledPlace& place = own_item(phase.places, phase.count);
  const int warp = warp_number();
  const Index unit = (blockIdx.x - place.first_block) * kUnits + static_cast<Index>(warp);
  const MeasuredPooling& any = place.poolings[place.poolings[0].members > 0 ? 0 : 1];
  if (unit < place.units && any.norms[0].statistics != Statistics::kRunning) {
    const Square<kChannels, half> square(place.height, place.width, unit);
    SquareValues sums, maxima;
    pool_square(square, place.x, sums, maxima);
    const int count = unit_pixels<kChannels>(place, unit);
    if (place.poolings[0].members > 0) {
      average_square<1>(square, parts.reciprocals, place.count_include_pad, sums);
      measure_square(square, sums, count, place.poolings[0].moments, unit);
    }
    if (place.poolings[1].members > 0) measure_square(square, maxima, count, place.poolings[1].moments, unit);
  }
  by_last_block(place.ticket, place.blocks, parts.flag, [&] {
    const int average = place.poolings[0].members, all = average + place.poolings[1].members;
    for (int item = warp; item < all * kChannels; item += kUnits) {
      const int member = item / kChannels;
      const MeasuredPooling& pooling = place.poolings[member < average ? 0 : 1];
      finish_moments(pooling.norms[member < average ? member : member - average], pooling.moments, item % kChannels,
                     static_cast<double>(place.pixels),
                     [&](Index piece) { return unit_pixels<kChannels>(place, piece); });
    }
  });
}

}  // namespace dartsmith::cuda::sliding
