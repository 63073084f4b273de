// Poolings of 3 x 3 that are stored, by warps: a unit is a square of the windows (square.cuh).
#pragma once
#include "cuda/sliding/square.cuh"

namespace dartsmith::cuda::sliding {

struct PooledOutput {
  const void* x;
  void* y;
  int in_height, in_width;
  int height, width;  // of the windows
  bool takes_max, count_include_pad;
  Index units, first_block;
};

struct alignas(16) PoolForwardPhase {
  int count = 0;
  PooledOutput outputs[kMembers];
};

template <int kStride, int kChannels, bool half>
__global__ void __launch_bounds__(kBlockThreads, 4) pool_forward_kernel(DARTSMITH_ARGUMENT(PoolForwardPhase) phase) {
  begin_kernel();
  Shared shared(shared_memory());
  auto* reciprocals = shared.take<float>(kReciprocals);
  load_reciprocals(reciprocals);
  __syncthreads();
  const PooledOutput& p = own_item(phase.outputs, phase.count);
  const Index unit = (blockIdx.x - p.first_block) * kUnits + threadIdx.x / kLanes;
  if (unit >= p.units) return;
  const Square<kChannels, half> square(p.height, p.width, unit);
  const Square<kChannels, half> source(square, p.in_height, p.in_width, kStride);
  SquareValues values;
  if (p.takes_max) {
    pool_square<kStride, true>(source, p.x, values);
  } else {
    pool_square<kStride, false>(source, p.x, values);
    average_square<kStride>(source, reciprocals, p.count_include_pad, values);
  }
  for_square([&](int row, int column) { square.store(p.y, row, column, values[row][column]); });
}

}  // namespace dartsmith::cuda::sliding
