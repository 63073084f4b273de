// Depthwise windows of any even number of channels, by threads that slide down the rows: each owns four columns of two
// channels of one image, and neighbours own neighbouring channels, whatever unit these lie in. Their product with the
// pointwise weights is another kernel's.
#pragma once
#include "cuda/sliding/ring.cuh"

namespace dartsmith::cuda::sliding {

// `units` count threads.
struct DepthwiseMember : SlidingMember {
  int channels;
  void* output;
};

struct alignas(16) DepthwisePhase {
  int count = 0;
  DepthwiseMember members[kMembers];
};

struct DepthwiseParts {
  float* activation;
  __host__ __device__ DepthwiseParts(Shared& shared, int channels)
      : activation(shared.take<float>(activation_floats(channels))) {}
};

template <int kKernel, typename Motion, bool half>
__device__ __forceinline__ void depthwise_unit(const DepthwiseMember& m, Index index, const DepthwiseParts& parts) {
  constexpr int kStep = Motion::kOutStep, kElementBytes = half ? 2 : 4;
  const Channels<0> channels(m.channels);
  const Index pairs = static_cast<Index>(m.channels / 2), place = index / pairs;
  const int channel = static_cast<int>(index - place * pairs) * 2;
  const Unit unit(m.cut, place, kQuadColumns);
  const Extent extent(m.cut, unit, kQuadColumns);
  const int64_t row = int64_t{unit.image} * m.cut.out_height + unit.top * kStep + unit.row_parity;
  const int64_t pixel = row * m.cut.out_width + unit.left * kStep + unit.column_parity;
  auto* to = static_cast<unsigned char*>(m.output) + (pixel * channels + channel) * kElementBytes;
  const int pixel_bytes = channels * kElementBytes;
  const int pitch = m.cut.out_width * kStep * pixel_bytes;
  slide<kKernel, Motion, 0, half>(
      m.cut, unit, {channel, 0}, extent.rows, {m.input, parts.activation, channels},
      WeightsInRegisters<kKernel, 0>(m.depthwise, channel, channels), [](int) {},
      [&](int, const float2(&sums)[kQuadColumns]) {
#pragma unroll
        for (int c = 0; c < kQuadColumns; ++c) {
          if (c >= extent.columns) continue;
          auto* at = to + c * kStep * pixel_bytes;
          if constexpr (half) {
            *reinterpret_cast<unsigned*>(at) = to_bfloat16_pair(sums[c].x, sums[c].y);
          } else {
            *reinterpret_cast<float2*>(at) = sums[c];
          }
        }
        to += pitch;
      });
}

template <int kKernel, bool half>
__global__ void __launch_bounds__(kBlockThreads, kKernel == 3 ? 4 : 3)
    depthwise_kernel(DARTSMITH_ARGUMENT(DepthwisePhase) phase) {
  begin_kernel();
  Shared shared(shared_memory());
  const DepthwiseMember& m = own_item(phase.members, phase.count);
  const DepthwiseParts parts(shared, m.channels);
  load_activation(m.reading, m.channels, 0, m.channels, parts.activation);
  __syncthreads();
  const Index unit = (blockIdx.x - m.first_block) * kBlockThreads + threadIdx.x;
  if (unit >= m.units) return;
  with_motion(m.motion, [&](auto motion) { depthwise_unit<kKernel, decltype(motion), half>(m, unit, parts); });
}

}  // namespace dartsmith::cuda::sliding
