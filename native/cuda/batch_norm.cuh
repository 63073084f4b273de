// What batchNorm and moments share: the statistics of a tensor.
#pragma once
#include "cuda/launch.h"
#include "cuda/moments.cuh"

namespace dartsmith::cuda::batch_norm {

// A tensor cut into pieces of pixels and chunks of channels.
struct Cut {
  int64_t pixels;
  int channels;
  int64_t pieces;
  int chunks;

  Cut() = default;
  explicit Cut(const Tensor& tensor)
      : pixels(pixels_of(tensor)),
        channels(static_cast<int>(tensor.channels)),
        pieces(divide_up(pixels, kPiecePixels)),
        chunks(static_cast<int>(divide_up(channels, kChunk))) {}
  __host__ __device__ int64_t tasks() const { return pieces * chunks; }
  __host__ __device__ Index piece(Index task) const { return task / chunks; }
  __host__ __device__ int chunk(Index task) const { return static_cast<int>(task % chunks) * kChunk; }
  __host__ __device__ int64_t begin(Index piece) const { return piece * kPiecePixels; }
  __host__ __device__ int count(Index piece) const {
    return static_cast<int>(smaller(kPiecePixels, pixels - begin(piece)));
  }
};

struct Parts {
  float4* scratch;
  __host__ __device__ explicit Parts(Shared& shared) : scratch(shared.take<float4>(kWarps * kChunk / 4)) {}
};

// What a thread works on in a task.
struct Lane {
  Spread spread;
  int channel;
  int64_t piece, first;
  int pixels;

  __device__ Lane(const Cut& cut, Index task)
      : spread(cut.channels - cut.chunk(task)),
        channel(cut.chunk(task) + spread.vector * 4),
        piece(cut.piece(task)),
        first(cut.begin(piece)),
        pixels(cut.count(piece)) {}
  // Calls body(pixel) for this thread's pixels.
  template <typename Body>
  __device__ __forceinline__ void for_pixels(const Body& body) const {
    for (int p = spread.row; p < pixels; p += spread.rows) body(first + p);
  }
};

// What forward works on; `y` stays as it is where only statistics are wanted.
struct Forward {
  Cut cut;
  View x, y;
  Normalisation norm;
  const float* scale;
  const float* shift;
  Partials partials;
  int64_t first_task;
};

// Finds the statistics of the members (moments.cu).
void start_moments(CudaStream& stream, const Group<Forward>& group);

inline Partials partials_of(const KernelCall& call, const Cut& cut) {
  return {static_cast<float*>(call.workspace), cut.channels, cut.pieces};
}

// As many calls as a launch takes.
inline Group<Forward> forward_group(const KernelCall* calls, int count) {
  Group<Forward> group;
  for (const KernelCall* call = calls; call < calls + count; ++call) {
    const Cut cut(call->inputs[0]);
    group.add({cut, view_of(call->inputs[0]), view_of(call->output), normalisation_of(*call), call->weight, call->bias,
               partials_of(*call, cut), 0},
              cut.tasks());
  }
  return group;
}

// A warp for every channel of the member that has most.
template <typename Member>
Work a_warp_a_channel(const Group<Member>& group) {
  int64_t channels = 0;
  for (int m = 0; m < group.count; ++m) channels = larger(channels, group.members[m].cut.channels);
  return {divide_up(channels, kWarps)};
}

}  // namespace dartsmith::cuda::batch_norm
