#include <algorithm>

#include "cuda/launch.h"
#include "cuda/sliding/choice.h"
#include "cuda/sliding/pooled_moments.cuh"
#include "cuda/sliding/pooled_moments.h"

namespace dartsmith::cuda::sliding {
namespace {

using pooled_moments::Measured;

KernelOf<PooledPhase> kernel_of(int channels, bool half) {
  return with_channels(channels, [&](auto known) -> KernelOf<PooledPhase> {
    return half ? pooled_moments_kernel<known.value, true> : pooled_moments_kernel<known.value, false>;
  });
}

// Whether the pooling can be measured beside what a place has already.
bool joins(const PooledPlace& place, const Measured& m) {
  const MeasuredPooling& own = place.poolings[m.window.takes_max ? 1 : 0];
  return place.x == m.x.data && own.members == 0;
}

void join(PooledPlace& place, const Measured& m) {
  if (!m.window.takes_max) place.count_include_pad = m.window.count_include_pad;
  MeasuredPooling& pooling = place.poolings[m.window.takes_max ? 1 : 0];
  pooling.members = m.members;
  pooling.moments = m.partials;
  std::copy(m.norms, m.norms + m.members, pooling.norms);
}

PooledPlace place_of(const Measured& m) {
  PooledPlace place{};
  place.x = m.x.data;
  place.height = m.window.out_height;
  place.width = m.window.out_width;
  place.pixels = m.pixels;
  const int64_t batch = m.pixels / (int64_t{place.height} * place.width);
  place.units = static_cast<Index>(squares_of(batch, place.height, place.width, m.x.channels));
  place.blocks = static_cast<Index>(divide_up(place.units, kUnits));
  return place;
}

}  // namespace

bool takes(const Measured& m, Precision precision) {
  const PoolWindow& w = m.window;
  return has_kernels(m.x.channels, w.in_width) && m.x.half == (precision == Precision::kBf16) && slides_over(w) &&
         w.stride[0] == 1;
}

int64_t pooled_pieces(const Tensor& x) {
  return has_kernels(x.channels, x.width) ? squares_of(x.batch, x.height, x.width, x.channels) : 0;
}

void pooled_moments_forward(CudaStream& stream, const std::vector<Measured>& measured) {
  Shared counted(nullptr);
  const PooledParts parts(counted);
  for (const int channels : {16, 32, 64}) {
    PooledPhase phase;
    const auto start = [&] {
      unsigned* tickets = stream.tickets(phase.count);
      int64_t blocks = 0;
      for (int i = 0; i < phase.count; ++i) {
        phase.places[i].ticket = tickets + i;
        phase.places[i].first_block = static_cast<Index>(blocks);
        blocks += phase.places[i].blocks;
      }
      launch_blocks(stream, kernel_of(channels, measured[0].x.half), {blocks, counted.bytes(), kBlockThreads}, phase);
      phase.count = 0;
    };
    for (const Measured& m : measured) {
      if (m.x.channels != channels) continue;
      PooledPlace* end = phase.places + phase.count;
      PooledPlace* place = std::find_if(phase.places, end, [&](const PooledPlace& p) { return joins(p, m); });
      if (place == end) {
        if (phase.count == kPlaces) start();
        place = phase.places + phase.count++;
        *place = place_of(m);
      }
      join(*place, m);
    }
    if (phase.count > 0) start();
  }
}

}  // namespace dartsmith::cuda::sliding
