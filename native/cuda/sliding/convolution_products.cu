// 1x1 convolutions forward, and the gradients of their inputs: a chunk of channels after another through the product.
#include "cuda/sliding/choice.h"
#include "cuda/sliding/convolution.cuh"

namespace dartsmith::cuda::sliding {
namespace {

// What a block keeps in shared memory.
template <typename Product>
struct ProductParts {
  unsigned char* stages;   // a warp's each
  unsigned char* weights;  // of a chunk each
  __host__ __device__ ProductParts(Shared& shared, int chunks)
      : stages(shared.take<unsigned char>(kUnits * Product::kStageBytes)),
        weights(shared.take<unsigned char>(chunks * Product::kWeightBytes)) {}

  template <bool transposed>
  __device__ void load_weights(const ConvolutionMember& m) const {
    constexpr int kWeights = Product::kOutputs * Product::kOutputs;
    for (int chunk = 0; chunk < m.chunks; ++chunk) {
      Product::template load_weights<transposed>(m.weight + chunk * kWeights, weights + chunk * Product::kWeightBytes);
    }
    __syncthreads();
  }
  __device__ unsigned char* stage() const { return stages + warp_number() * Product::kStageBytes; }
};

// The first pixel of this warp's batch.
template <int kChannels>
__device__ __forceinline__ Index first_output(const ConvolutionMember& m) {
  return ((blockIdx.x - m.first_block) * kUnits + static_cast<Index>(warp_number())) * batch_pixels(kChannels);
}

template <int kChannels, Precision precision>
__global__ void __launch_bounds__(kBlockThreads, 3)
    convolution_forward_kernel(DARTSMITH_ARGUMENT(ConvolutionPhase<ConvolutionForward>) phase) {
  begin_kernel();
  using Product = Pointwise<precision, kChannels>;
  constexpr bool kHalf = precision == Precision::kBf16;
  constexpr int kElementBytes = kHalf ? 2 : 4;
  using Reader = BatchReader<kChannels, kHalf>;
  Shared shared(shared_memory());
  const ProductParts<Product> parts(shared, phase.chunks);
  const ConvolutionForward& m = own_item(phase.members, phase.count);
  const Index first = first_output<kChannels>(m);
  const Reader reader(first, m.sampling.outputs, [&](Index pixel) { return m.sampling.input_of(pixel); });
  typename Reader::Bits bits;
  reader.take(m.input, 0, bits);
  parts.template load_weights<false>(m);
  if (first >= m.sampling.outputs) return;
  const Product product;
  const float least = least_of(m);
  float4 results[Product::kPixels][Product::kVectors];
  clear(results);
#pragma unroll 1
  for (int chunk = 0; chunk < m.chunks; ++chunk) {
    Reader::hand_over(bits, least,
                      [&](int row, const float2(&x)[kQuadColumns]) { Product::keep(parts.stage(), row, x); });
    __syncwarp();
    if (chunk + 1 < m.chunks) reader.take(m.input, chunk + 1, bits);
    product.accumulate(parts.stage(), parts.weights + chunk * Product::kWeightBytes, results);
    __syncwarp();
  }
#pragma unroll
  for (int p = 0; p < Product::kPixels; ++p) {
    const Index pixel = first + static_cast<Index>(product.base() + Product::offset(p));
#pragma unroll
    for (int v = 0; v < Product::kVectors; ++v) {
      const int64_t place = int64_t{pixel} * kChannels + product.channel(v);
      store_four<kHalf>(static_cast<unsigned char*>(m.output) + place * kElementBytes, results[p][v],
                        pixel < m.sampling.outputs);
    }
  }
}

template <int kChannels, Precision precision>
__global__ void __launch_bounds__(kBlockThreads, 4)
    convolution_input_kernel(DARTSMITH_ARGUMENT(ConvolutionPhase<ConvolutionInput>) phase) {
  begin_kernel();
  using Product = Pointwise<precision, kChannels>;
  constexpr bool kHalf = precision == Precision::kBf16;
  constexpr int kElementBytes = kHalf ? 2 : 4;
  using Reader = BatchReader<kChannels, kHalf>;
  Shared shared(shared_memory());
  const ProductParts<Product> parts(shared, phase.chunks);
  const ConvolutionInput& m = own_item(phase.members, phase.count);
  const Index first = first_output<kChannels>(m);
  {
    const Reader reader(first, m.sampling.outputs, [](Index pixel) { return pixel; });
    typename Reader::Bits bits;
    reader.take(m.gradient, bits);
    Reader::hand_over(bits, -INFINITY,
                      [&](int row, const float2(&dy)[kQuadColumns]) { Product::keep(parts.stage(), row, dy); });
  }
  parts.template load_weights<true>(m);
  if (first >= m.sampling.outputs) return;
  const Product product;
  const auto output_of = [&](int p) { return first + static_cast<Index>(product.base() + Product::offset(p)); };
  const int pitch = m.input.channels * kElementBytes;
  Index places[Product::kPixels];
#pragma unroll
  for (int p = 0; p < Product::kPixels; ++p) places[p] = m.sampling.input_of(output_of(p));
#pragma unroll 1
  for (int chunk = 0; chunk < m.chunks; ++chunk) {
    float4 results[Product::kPixels][Product::kVectors];
    multiply(product, parts.stage(), parts.weights + chunk * Product::kWeightBytes, results);
#pragma unroll
    for (int v = 0; v < Product::kVectors; ++v) {
      const Joined::Place own = m.input.place_of<kHalf>(chunk * kChannels + product.channel(v));
      if (m.targets[own.part] == nullptr) continue;
      const auto* input = static_cast<const unsigned char*>(m.input.data[own.part]) + own.offset;
      auto* target = static_cast<unsigned char*>(m.targets[own.part]) + own.offset;
      const bool accumulate = m.accumulate[own.part];
      const auto store = [&](Index pixel, float4 value) {
        const int64_t place = int64_t{pixel} * pitch;
        if (m.activated) value = passed(load_four<kHalf>(input + place), value);
        unsigned char* to = target + place;
        store_four<kHalf>(to, accumulate ? load_four<kHalf>(to) + value : value, true);
      };
#pragma unroll
      for (int p = 0; p < Product::kPixels; ++p) {
        if (output_of(p) >= m.sampling.outputs) continue;
        store(places[p], results[p][v]);
        if (m.sampling.direct || accumulate) continue;
        m.sampling.for_unread(output_of(p), [&](Index pixel) { store(pixel, splat(0)); });
      }
    }
  }
}

// The kernel that kernel_of(channels, precision) gives, constants both.
template <typename Member, typename FindKernel>
ConvolutionStart<Member> start_of(int64_t channels, Precision precision, int chunks, const FindKernel& kernel_of) {
  ConvolutionStart<Member> start{};
  with_instance(channels, precision, [&](auto own, auto known) {
    start = {kernel_of(own, known), cuda::shared_bytes<ProductParts<Pointwise<known.value, own.value>>>(chunks)};
  });
  return start;
}

}  // namespace

ConvolutionStart<ConvolutionForward> convolution_forward_start(int64_t channels, Precision precision, int chunks) {
  return start_of<ConvolutionForward>(channels, precision, chunks, [](auto own, auto known) {
    return KernelOf<ConvolutionPhase<ConvolutionForward>>{convolution_forward_kernel<own.value, known.value>};
  });
}

ConvolutionStart<ConvolutionInput> convolution_input_start(int64_t channels, Precision precision, int chunks) {
  return start_of<ConvolutionInput>(channels, precision, chunks, [](auto own, auto known) {
    return KernelOf<ConvolutionPhase<ConvolutionInput>>{convolution_input_kernel<own.value, known.value>};
  });
}

}  // namespace dartsmith::cuda::sliding
