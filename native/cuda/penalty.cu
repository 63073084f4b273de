#include "cuda/launch.h"
#include "cuda/penalty.h"
#include "cuda/task.cuh"
#include "engine/penalty.h"

namespace dartsmith::cuda {
namespace {

struct Parts {
  double* sums;  // [kThreads]
  __host__ __device__ explicit Parts(Shared& shared) : sums(shared.take<double>(kThreads)) {}
};

// One block: the tables of a supernet have tens of rows.
__global__ void __launch_bounds__(kThreads) penalty_kernel(PenaltyCall call) {
  begin_kernel();
  Shared shared(shared_memory());
  const Parts parts(shared);
  double sum = 0;
  for (int64_t r = threadIdx.x; r < call.row_count; r += kThreads) sum += PenaltyRow(call, call.rows[r]).apply();
  parts.sums[threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x != 0) return;
  double total = 0;
  for (int t = 0; t < kThreads; ++t) total += parts.sums[t];
  *call.result = call.settings->share * total;
}

}  // namespace

void penalty(Stream& stream, const PenaltyCall& call) {
  launch(CudaStream::of(stream), penalty_kernel, {1, shared_bytes<Parts>()}, call);
}

}  // namespace dartsmith::cuda
