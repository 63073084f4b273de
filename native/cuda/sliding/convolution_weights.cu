// Gradients of the weights of 1x1 convolutions: a block adds x^T dy of a chunk of input channels over a piece of the
// pixels.
#include "cuda/sliding/choice.h"
#include "cuda/sliding/convolution.cuh"

namespace dartsmith::cuda::sliding {
namespace {

// What a block keeps in shared memory.
template <int kChannels, Precision precision>
struct WeightParts {
  static constexpr int64_t kStages = kUnits * Outer<precision, kChannels>::kStageBytes;
  unsigned char* x;  // stages, a warp's each
  unsigned char* dy;
  float* sums;  // in the place of the stages, which are done then
  __host__ __device__ explicit WeightParts(Shared& shared)
      : x(shared.take<unsigned char>(larger(kStages, int64_t{4} * kChannels * kChannels))),
        dy(shared.take<unsigned char>(kStages)),
        sums(reinterpret_cast<float*>(x)) {}
};

template <int kChannels, Precision precision>
__global__ void __launch_bounds__(kBlockThreads, 3)
    convolution_weights_kernel(DARTSMITH_ARGUMENT(ConvolutionPhase<ConvolutionWeights>) phase) {
  begin_kernel();
  constexpr bool kHalf = precision == Precision::kBf16;
  using Sums = Outer<precision, kChannels>;
  using Reader = BatchReader<kChannels, kHalf>;
  Shared shared(shared_memory());
  const WeightParts<kChannels, precision> parts(shared);
  const ConvolutionWeights& m = own_item(phase.members, phase.count);
  const Index block = blockIdx.x - m.first_block, piece = block / m.chunks, chunk = block - piece * m.chunks;
  const auto own = [](unsigned char* stages) { return stages + warp_number() * Sums::kStageBytes; };
  Sums sums;
#pragma unroll 1
  for (int turn = 0; turn < m.turns; ++turn) {
    const Index batch = (piece * m.turns + turn) * kUnits + static_cast<Index>(warp_number());
    const Index first = batch * batch_pixels(kChannels);
    const Reader x(first, m.sampling.outputs, [&](Index pixel) { return m.sampling.input_of(pixel); });
    const Reader dy(first, m.sampling.outputs, [](Index pixel) { return pixel; });
    typename Reader::Bits bits, gradients;
    x.take(m.input, static_cast<int>(chunk), bits);
    dy.take(m.gradient, gradients);
    Reader::hand_over(bits, least_of(m),
                      [&](int row, const float2(&two)[kQuadColumns]) { Sums::keep(own(parts.x), row, two); });
    Reader::hand_over(gradients, -INFINITY,
                      [&](int row, const float2(&two)[kQuadColumns]) { Sums::keep(own(parts.dy), row, two); });
    __syncwarp();
    add_batch<kChannels>(sums, parts.x, parts.dy);
    __syncwarp();
  }
  keep_sums<kChannels>(sums, parts.sums, m.partials + (int64_t{chunk} * m.pieces + piece) * kChannels * kChannels);
}

}  // namespace

ConvolutionStart<ConvolutionWeights> convolution_weights_start(int64_t channels, Precision precision) {
  ConvolutionStart<ConvolutionWeights> start{};
  with_instance(channels, precision, [&](auto own, auto known) {
    start = {convolution_weights_kernel<own.value, known.value>,
             cuda::shared_bytes<WeightParts<own.value, known.value>>()};
  });
  return start;
}

}  // namespace dartsmith::cuda::sliding
