// Forward of a separable by warps that slide down the rows: depthwise sums in registers, four rows of them through the
// warp's stage to the pointwise product, its results stored and measured for the batch-norm that follows. The last
// block of a member joins what its units measured.
#pragma once
#include "cuda/sliding/pointwise.cuh"
#include "cuda/sliding/ring.cuh"

namespace dartsmith::cuda::sliding {

struct ForwardMember : SlidingMember {
  void* output;
  Normalisation norm;
  Partials moments;  // a unit's mean and squared deviations
  unsigned* ticket;
  int64_t pixels;  // of the output
};

struct alignas(16) ForwardPhase {
  int count = 0;
  ForwardMember members[kMembers];
};

// What a block keeps in shared memory.
template <typename Product>
struct ForwardParts {
  unsigned char* weights;
  unsigned char* stages;  // a warp's each
  float* activation;      // of the input
  float* pivots;          // [kUnits, C]
  float4* sums;           // of a thread each: [2, kVectors, threads]
  unsigned* flag;
  __host__ __device__ explicit ForwardParts(Shared& shared)
      : weights(shared.take<unsigned char>(Product::kWeightBytes)),
        stages(shared.take<unsigned char>(kUnits * Product::kStageBytes)),
        activation(shared.take<float>(activation_floats(Product::kOutputs))),
        pivots(shared.take<float>(kUnits * Product::kOutputs)),
        sums(shared.take<float4>(2 * Product::kVectors * kBlockThreads)),
        flag(shared.take<unsigned>(1)) {}
};

// Sums of v - p and (v - p)^2 of a unit's channels around a pivot p, its first pixel. Between one batch and the next
// they lie in shared memory: registers are what a product is short of.
template <typename Product>
class UnitMoments {
 public:
  __device__ explicit UnitMoments(const ForwardParts<Product>& parts)
      : pivots_(parts.pivots + threadIdx.x / kLanes * Product::kOutputs), sums_(parts.sums + threadIdx.x) {
#pragma unroll
    for (int i = 0; i < 2 * Product::kVectors; ++i) sums_[i * kBlockThreads] = splat(0);
  }
  // Of the first batch.
  __device__ __forceinline__ void take_pivots(const Product& product,
                                              const float4 (&results)[Product::kPixels][Product::kVectors]) {
    if (product.is_first()) {
#pragma unroll
      for (int v = 0; v < Product::kVectors; ++v) {
        *reinterpret_cast<float4*>(pivots_ + product.channel(v)) = results[0][v];
      }
    }
    __syncwarp();
  }
  // A vector of channels of a batch: body(add) calls add(value, exists) for its pixels.
  template <typename Body>
  __device__ __forceinline__ void add(const Product& product, int v, const Body& body) {
    const float4 pivot = *reinterpret_cast<const float4*>(pivots_ + product.channel(v));
    float4 sum = sums_[2 * v * kBlockThreads], squares = sums_[(2 * v + 1) * kBlockThreads];
    body([&](float4 value, bool exists) {
      const float4 d = map4(value - pivot, [&](float x) { return exists ? x : 0.0f; });
      sum = sum + d;
      squares = fused(d, d, squares);
    });
    sums_[2 * v * kBlockThreads] = sum;
    sums_[(2 * v + 1) * kBlockThreads] = squares;
  }
  // Mean and squared deviations of `count` pixels, by the warp together.
  __device__ __forceinline__ void keep(const Product& product, int count, const Partials& partials, Index unit) {
    const auto sum_lanes = [](float4 value) {
      Product::for_distances([&](int lanes) {
        value = value + map4(value, [&](float x) { return __shfl_xor_sync(0xffffffffu, x, lanes); });
      });
      return value;
    };
    const float reciprocal = 1.0f / static_cast<float>(count);
#pragma unroll
    for (int v = 0; v < Product::kVectors; ++v) {
      const float4 sum = sum_lanes(sums_[2 * v * kBlockThreads]);
      const float4 squares = sum_lanes(sums_[(2 * v + 1) * kBlockThreads]);
      if (!product.is_first()) continue;
      const float4 pivot = *reinterpret_cast<const float4*>(pivots_ + product.channel(v));
      const float4 shift = sum * splat(reciprocal);
      partials.store(0, product.channel(v), unit, pivot + shift);
      partials.store(1, product.channel(v), unit,
                     map4(squares - sum * shift, [](float deviations) { return deviations < 0 ? 0 : deviations; }));
    }
  }

 private:
  float* pivots_;
  float4* sums_;
};

template <int kKernel, typename Motion, int kChannels, Precision precision>
__device__ __forceinline__ void forward_unit(const ForwardMember& m, Index index,
                                             const ForwardParts<Pointwise<precision, kChannels>>& parts) {
  using Product = Pointwise<precision, kChannels>;
  using Shape = WarpShape<kChannels>;
  constexpr bool kHalf = precision == Precision::kBf16;
  const Unit unit(m.cut, index, Shape::kColumns);
  const Extent extent(m.cut, unit, Shape::kColumns);
  const Product product;
  UnitMoments<Product> moments(parts);
  unsigned char* stage = parts.stages + threadIdx.x / kLanes * Product::kStageBytes;
  const bool measures = dartsmith::measures(m.norm.statistics);
  if (extent.pixels() == 0) {
    for (int c = lane_number(); c < 2 * kChannels && measures; c += kLanes) {
      m.moments.at(c / kChannels, c % kChannels, index) = 0;
    }
    return;
  }
  ResultPlaces<Product, Motion, kChannels, kHalf> places(product, m.cut, unit, extent, m.output);
  const auto finish_batch = [&](int first) {
    float4 results[Product::kPixels][Product::kVectors];
    __syncwarp();
    multiply(product, stage, parts.weights, results);
    __syncwarp();
    if (measures && first == 0) moments.take_pivots(product, results);
#pragma unroll
    for (int v = 0; v < Product::kVectors; ++v) {
      moments.add(product, v, [&](const auto& measure) {
#pragma unroll
        for (int p = 0; p < Product::kPixels; ++p) {
          // Measured without a branch, apart from the store, which is predicated.
          const float4 kept = places.store(p, v, results[p][v], first);
          measure(kept, places.exists(p, first));
        }
      });
    }
    places.next_batch();
  };
  const LanePlace place = Shape::own_place();
  slide<kKernel, Motion, kChannels, kHalf>(
      m.cut, unit, place, extent.rows, {m.input, parts.activation, {}},
      WeightsInRegisters<kKernel, kChannels>(m.depthwise, place.channel, {}), [](int) {},
      [&](int row, const float2(&sums)[kQuadColumns]) {
        Product::keep(stage, row % kBatchRows, sums);
        if (row % kBatchRows == kBatchRows - 1 || row == extent.rows - 1) finish_batch(row / kBatchRows * kBatchRows);
      });
  if (measures) moments.keep(product, extent.pixels(), m.moments, index);
}

template <int kKernel, int kChannels, Precision precision>
__global__ void __launch_bounds__(kBlockThreads, kKernel == 3 ? 4 : 3)
    separable_forward_kernel(DARTSMITH_ARGUMENT(ForwardPhase) phase) {
  begin_kernel();
  using Product = Pointwise<precision, kChannels>;
  Shared shared(shared_memory());
  const ForwardParts<Product> parts(shared);
  const ForwardMember& m = own_item(phase.members, phase.count);
  Product::template load_weights<false>(m.pointwise, parts.weights);
  load_activation(m.reading, kChannels, 0, kChannels, parts.activation);
  __syncthreads();
  const int warp = warp_number();
  const Index unit = (blockIdx.x - m.first_block) * kUnits + static_cast<Index>(warp);
  if (unit < m.units) {
    with_motion(m.motion,
                [&](auto motion) { forward_unit<kKernel, decltype(motion), kChannels, precision>(m, unit, parts); });
  }
  by_last_block(m.ticket, m.blocks, parts.flag, [&] {
    for (int channel = warp; channel < kChannels; channel += kUnits) {
      finish_moments(m.norm, m.moments, channel, static_cast<double>(m.pixels), [&](Index piece) {
        return Extent(m.cut, Unit(m.cut, piece, WarpShape<kChannels>::kColumns), WarpShape<kChannels>::kColumns)
            .pixels();
      });
    }
  });
}

template <int kKernel, int kChannels>
KernelStart<ForwardPhase> forward_start_of(Precision precision) {
  KernelStart<ForwardPhase> start{};
  with_precision(precision, [&](auto known) {
    start = {separable_forward_kernel<kKernel, kChannels, known.value>,
             cuda::shared_bytes<ForwardParts<Pointwise<known.value, kChannels>>>()};
  });
  return start;
}
// By kernel size, 3 or 5: each number of channels is compiled in a file of its own.
template <int kChannels>
KernelStart<ForwardPhase> forward_start(int kernel, Precision precision);

}  // namespace dartsmith::cuda::sliding
