// The output side of a separable's backward, by warps that slide down the rows: the gradient of the pointwise product's
// result, A g + B y + D, is multiplied with the transposed weights into the depthwise outputs' gradient; where weight
// gradients are wanted, the depthwise outputs are computed again rather than stored, and both give the pointwise
// weights' gradient, one partial sum a block.
#pragma once
#include "cuda/sliding/outer.cuh"
#include "cuda/sliding/pointwise.cuh"
#include "cuda/sliding/ring.cuh"

namespace dartsmith::cuda::sliding {

struct OutputMember : SlidingMember {
  const void* output;
  const void* gradient;
  const float* gradient_map;  // A, B, D [3, C]
  void* depthwise_gradient;   // as the output
  float* partials;            // [blocks, C, C] of the pointwise weights' gradient
};

struct alignas(16) OutputPhase {
  int count = 0;
  OutputMember members[kMembers];
};

// What a block keeps in shared memory. A kernel size of 0 stands for no weight gradients.
template <int kKernel, int kChannels, Precision precision>
struct OutputParts {
  using Product = Pointwise<precision, kChannels>;
  using Sums = Outer<precision, kChannels>;
  // Float32 multiplies from one stage, tensor cores need the factors turned.
  static constexpr bool kTurned = precision != Precision::kFp32;
  static constexpr int64_t kStagesBytes = larger(kUnits * Product::kStageBytes, int64_t{4} * kChannels * kChannels);
  unsigned char* weights;
  unsigned char* stages;  // a warp's each, of dy
  float* gradient_map;
  unsigned char* turned;  // as outer products read dy
  unsigned char* depthwise_stages;
  float* activation;
  float* depthwise;  // weights
  float* sums;       // in the place of the stages, which are done then

  __host__ __device__ explicit OutputParts(Shared& shared)
      : weights(shared.take<unsigned char>(Product::kWeightBytes)),
        stages(shared.take<unsigned char>(kStagesBytes)),
        gradient_map(shared.take<float>(3 * kChannels)) {
    if constexpr (kKernel > 0) {
      turned = kTurned ? shared.take<unsigned char>(kUnits * Sums::kStageBytes) : stages;
      depthwise_stages = shared.take<unsigned char>(kUnits * Sums::kStageBytes);
      activation = shared.take<float>(activation_floats(kChannels));
      depthwise = shared.take<float>(WeightsInShared<kKernel, kChannels>::kFloats);
      sums = reinterpret_cast<float*>(stages);
    }
  }
};

// A row of dy of a lane's two channels, asked for before it is needed.
template <typename Motion, int kChannels, bool half>
class OutputGradient {
  using Reader = RowReader<kQuadColumns, Motion::kOutStep, kChannels, half>;

 public:
  __device__ OutputGradient(const OutputMember& m, const Unit& unit, const Extent& extent)
      : gradient_(reader_of(m.gradient, m.cut, unit)), output_(reader_of(m.output, m.cut, unit)), rows_(extent.rows) {}
  __device__ __forceinline__ void ask(int row) {
    inside_ = row < rows_;
    gradient_.take(inside_, g_);
    output_.take(inside_, y_);
  }
  __device__ __forceinline__ void take(const float* map, float2 (&values)[kQuadColumns]) const {
    const auto* two = reinterpret_cast<const float2*>(map + WarpShape<kChannels>::own_place().channel);
    const float2 a = two[0], b = two[kChannels / 2], d = two[kChannels];
#pragma unroll
    for (int i = 0; i < kQuadColumns; ++i) {
      values[i] = inside_ && gradient_.has(i)
                      ? fused(a, Elements<half, 2>::value(g_[i]), fused(b, Elements<half, 2>::value(y_[i]), d))
                      : make_float2(0, 0);
    }
  }

 private:
  __device__ static Reader reader_of(const void* data, const Cut& cut, const Unit& unit) {
    constexpr int kStep = Motion::kOutStep;
    const LanePlace place = WarpShape<kChannels>::own_place();
    const int first = unit.left + place.column;
    const int64_t row = int64_t{unit.image} * cut.out_height + unit.top * kStep + unit.row_parity;
    return Reader(data, row * cut.out_width + first * kStep + unit.column_parity, cut.out_width * kStep, place.channel,
                  first, every(cut.out_width, kStep, unit.column_parity), {});
  }
  Reader gradient_, output_;
  typename Reader::Bits g_[kQuadColumns] = {}, y_[kQuadColumns] = {};
  int rows_;
  bool inside_ = false;
};

template <int kKernel, typename Motion, int kChannels, Precision precision>
class OutputUnit {
  using Parts = OutputParts<kKernel, kChannels, precision>;
  using Product = typename Parts::Product;
  using Shape = WarpShape<kChannels>;
  static constexpr bool kHalf = precision == Precision::kBf16;
  static constexpr bool kWeights = kKernel > 0;

 public:
  __device__ OutputUnit(const OutputMember& m, Index index, const Parts& parts)
      : m_(m),
        parts_(parts),
        unit_(m.cut, index, Shape::kColumns),
        exists_(index < m.units),
        extent_(extent_of(m.cut, unit_, exists_)),
        places_(product_, m.cut, unit_, extent_, m.depthwise_gradient) {}

  // All warps of a block go through as many rows: of 64 channels they meet after each batch.
  template <typename Sums>
  __device__ __forceinline__ void run(Sums& sums) {
    OutputGradient<Motion, kChannels, kHalf> gradient(m_, unit_, extent_);
    if constexpr (kWeights) {
      const LanePlace place = Shape::own_place();
      slide<kKernel, Motion, kChannels, kHalf>(
          m_.cut, unit_, place, m_.cut.rows, {m_.input, parts_.activation, {}, exists_},
          WeightsInShared<kKernel, kChannels>(parts_.depthwise, place.channel), [&](int row) { gradient.ask(row); },
          [&](int row, const float2(&z)[kQuadColumns]) {
            keep_gradient(row % kBatchRows, gradient);
            Parts::Sums::keep(own(parts_.depthwise_stages, Parts::Sums::kStageBytes), row % kBatchRows, z);
            if (row % kBatchRows == kBatchRows - 1) finish_batch(row - row % kBatchRows, sums);
          });
    } else {
      gradient.ask(0);
#pragma unroll 1
      for (int row = 0; row < extent_.rows; ++row) {
        keep_gradient(row % kBatchRows, gradient);
        gradient.ask(row + 1);
        if (row % kBatchRows == kBatchRows - 1 || row == extent_.rows - 1) {
          finish_batch(row / kBatchRows * kBatchRows, sums);
        }
      }
    }
  }

 private:
  __device__ __forceinline__ static unsigned char* own(unsigned char* stages, int64_t bytes) {
    return stages + threadIdx.x / kLanes * bytes;
  }
  __device__ __forceinline__ void keep_gradient(int row, const OutputGradient<Motion, kChannels, kHalf>& gradient) {
    float2 dy[kQuadColumns];
    gradient.take(parts_.gradient_map, dy);
    Product::keep(own(parts_.stages, Product::kStageBytes), row, dy);
    if constexpr (kWeights && Parts::kTurned) Parts::Sums::keep(own(parts_.turned, Parts::Sums::kStageBytes), row, dy);
  }
  template <typename Sums>
  __device__ __forceinline__ void finish_batch(int first, Sums& sums) {
    __syncwarp();
    store_batch(first);
    if constexpr (kWeights) add_batch<kChannels>(sums, parts_.depthwise_stages, parts_.turned);
    __syncwarp();
  }
  // The depthwise outputs' gradient of a batch.
  __device__ __forceinline__ void store_batch(int first) {
    float4 results[Product::kPixels][Product::kVectors];
    multiply(product_, own(parts_.stages, Product::kStageBytes), parts_.weights, results);
#pragma unroll
    for (int p = 0; p < Product::kPixels; ++p) {
#pragma unroll
      for (int v = 0; v < Product::kVectors; ++v) places_.store(p, v, results[p][v], first);
    }
    places_.next_batch();
  }
  // A unit that does not exist has no rows.
  __device__ static Extent extent_of(const Cut& cut, const Unit& unit, bool exists) {
    Extent extent(cut, unit, Shape::kColumns);
    if (!exists) extent.rows = 0;
    return extent;
  }

  const OutputMember& m_;
  const Parts& parts_;
  Unit unit_;
  bool exists_;
  Extent extent_;
  Product product_;
  ResultPlaces<Product, Motion, kChannels, kHalf> places_;
};

template <int kKernel, int kChannels, Precision precision>
__global__ void __launch_bounds__(kBlockThreads, kKernel == 0                     ? 5
                                                 : kKernel == 5 || kChannels > 16 ? 3
                                                                                  : 4)
    separable_output_kernel(DARTSMITH_ARGUMENT(OutputPhase) phase) {
  begin_kernel();
  using Parts = OutputParts<kKernel, kChannels, precision>;
  Shared shared(shared_memory());
  const Parts parts(shared);
  const OutputMember& m = own_item(phase.members, phase.count);
  Parts::Product::template load_weights<true>(m.pointwise, parts.weights);
  for (int i = static_cast<int>(threadIdx.x); i < 3 * kChannels; i += kBlockThreads) {
    parts.gradient_map[i] = m.gradient_map[i];
  }
  if constexpr (kKernel > 0) {
    load_activation(m.reading, kChannels, 0, kChannels, parts.activation);
    WeightsInShared<kKernel, kChannels>::load(m.depthwise, parts.depthwise);
  }
  __syncthreads();
  const Index block = blockIdx.x - m.first_block;
  const Index unit = block * kUnits + threadIdx.x / kLanes;
  if constexpr (kKernel > 0) {
    typename Parts::Sums sums;
    with_motion(m.motion, [&](auto motion) {
      OutputUnit<kKernel, decltype(motion), kChannels, precision>(m, unit, parts).run(sums);
    });
    keep_sums<kChannels>(sums, parts.sums, m.partials + int64_t{block} * kChannels * kChannels);
  } else if (unit < m.units) {
    int none = 0;
    OutputUnit<0, Motion<1, 1, 1>, kChannels, precision>(m, unit, parts).run(none);
  }
}

template <int kKernel, int kChannels>
KernelStart<OutputPhase> output_start_of(Precision precision) {
  KernelStart<OutputPhase> start{};
  with_precision(precision, [&](auto known) {
    start = {separable_output_kernel<kKernel, kChannels, known.value>,
             cuda::shared_bytes<OutputParts<kKernel, kChannels, known.value>>()};
  });
  return start;
}
// By kernel size, 3 or 5, or 0 where no weight gradients are wanted.
template <int kChannels>
KernelStart<OutputPhase> output_start(int kernel, Precision precision);

}  // namespace dartsmith::cuda::sliding
