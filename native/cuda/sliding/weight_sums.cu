#include "cuda/launch.h"
#include "cuda/sliding/lanes.cuh"
#include "cuda/sliding/weight_sums.h"

namespace dartsmith::cuda::sliding {
namespace {

constexpr int kSums = 64;  // of a launch

struct alignas(16) SumPhase {
  int count = 0;
  WeightSum sums[kSums];
};

// A block has kLanes elements; each warp adds every kWarps-th piece, then the warps' sums are added in their order.
__global__ void __launch_bounds__(kThreads) weight_sums_kernel(DARTSMITH_ARGUMENT(SumPhase) phase) {
  begin_kernel();
  Shared shared(shared_memory());
  auto* parts = shared.take<double>(kThreads);
  const WeightSum& s = own_item(phase.sums, phase.count);
  const int lane = lane_number(), warp = warp_number();
  const int64_t element = int64_t{blockIdx.x - s.first_block} * kLanes + lane;
  double sum = 0;
  if (element < s.elements) {
#pragma unroll 8
    for (int64_t piece = warp; piece < s.pieces; piece += kWarps) sum += s.partials[piece * s.elements + element];
  }
  parts[threadIdx.x] = sum;
  __syncthreads();
  if (warp > 0 || element >= s.elements) return;
  for (int w = 1; w < kWarps; ++w) sum += parts[w * kLanes + lane];
  s.target[element] = static_cast<float>(sum);
}

}  // namespace

void add_weight_sums(CudaStream& stream, const std::vector<WeightSum>& sums) {
  Shared counted(nullptr);
  counted.take<double>(kThreads);
  for (size_t first = 0; first < sums.size(); first += kSums) {
    SumPhase phase;
    int64_t blocks = 0;
    for (size_t i = first; i < sums.size() && phase.count < kSums; ++i) {
      phase.sums[phase.count] = sums[i];
      phase.sums[phase.count++].first_block = static_cast<Index>(blocks);
      blocks += divide_up(sums[i].elements, kLanes);
    }
    launch_blocks(stream, KernelOf<SumPhase>{weight_sums_kernel}, {blocks, counted.bytes()}, phase);
  }
}

}  // namespace dartsmith::cuda::sliding
