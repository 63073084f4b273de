// pooledMoments: the statistics of lazy batch-norms of a pooling that nobody stores.
#pragma once
#include "cuda/moments.cuh"
#include "cuda/pool_window.cuh"

namespace dartsmith::cuda::pooled_moments {

inline constexpr int kPooledPixels = 128;  // of a piece

struct Parts {
  float4* scratch;
  float4* piece;  // [kPooledPixels, kChunk / 4]
  __host__ __device__ explicit Parts(Shared& shared)
      : scratch(shared.take<float4>(kWarps * kChunk / 4)), piece(shared.take<float4>(kPooledPixels * kChunk / 4)) {}
};

// Nodes that measure one pooling of one tensor: it is pooled once, each moves its own running statistics.
struct Measured {
  PoolWindow window;
  View x;
  Normalisation norms[kMembers];
  int members;
  Partials partials;
  int64_t pixels;
  int chunks;
  int64_t first_task;

  __device__ __forceinline__ int count(Index piece) const {
    return static_cast<int>(smaller(kPooledPixels, pixels - piece * kPooledPixels));
  }
};

template <Layout layout>
__device__ __forceinline__ void measure_piece(const Measured& m, Index task, const Parts& parts) {
  const Index piece = task / m.chunks, first = piece * kPooledPixels;
  const int chunk = static_cast<int>(task % m.chunks) * kChunk;
  const Spread spread(m.x.channels - chunk);
  const int channel = chunk + spread.vector * 4;
  for (int p = spread.row; p < m.count(piece) && channel < m.x.channels; p += spread.rows) {
    parts.piece[p * spread.vectors + spread.vector] = m.window.value<layout>(m.x, first + p, channel);
  }
  __syncthreads();
  piece_moments(
      spread, m.count(piece), channel, [&](int p) { return parts.piece[p * spread.vectors + spread.vector]; },
      parts.scratch, m.partials, piece);
}

// A warp a channel; `item` counts those of all members.
__device__ inline void finish_channel(const Measured& m, Index item) {
  const Index channels = static_cast<Index>(m.x.channels);
  finish_moments(m.norms[item / channels], m.partials, static_cast<int>(item % channels), static_cast<double>(m.pixels),
                 [&](Index piece) { return m.count(piece); });
}

}  // namespace dartsmith::cuda::pooled_moments
