#include "cuda/launch.h"
#include "cuda/mixing.h"
#include "cuda/task.cuh"
#include "engine/penalty.h"

namespace dartsmith::cuda {
namespace {

inline constexpr int kRows = 64;  // of one launch

struct Rows {
  MixingRow rows[kRows];
  int count;
};

// Calls body(rows) for parts of the rows that a launch takes.
template <typename Body>
void for_rows(const MixingRow* rows, int64_t count, const Body& body) {
  for (int64_t first = 0; first < count; first += kRows) {
    Rows part{};
    part.count = static_cast<int>(smaller(kRows, count - first));
    for (int r = 0; r < part.count; ++r) part.rows[r] = rows[first + r];
    body(part);
  }
}

__global__ void __launch_bounds__(kThreads)
    mixing_forward_kernel(DARTSMITH_ARGUMENT(Rows) rows, const float* alpha, float* mixing) {
  begin_kernel();
  for_grid(rows.count, [&](Index r) {
    const MixingRow& row = rows.rows[r];
    if (row.form == MixingForm::kGiven) return;
    const float* in = alpha + row.offset;
    float* out = mixing + row.offset;
    double largest = in[0], total = 0;
    for (int64_t k = 1; k < row.length; ++k) largest = in[k] > largest ? in[k] : largest;
    for (int64_t k = 0; k < row.length; ++k) total += exp(in[k] - largest);
    for (int64_t k = 0; k < row.length; ++k) {
      const bool sigmoid = row.form == MixingForm::kSigmoid;
      out[k] = static_cast<float>(sigmoid ? 1 / (1 + exp(-static_cast<double>(in[k]))) : exp(in[k] - largest) / total);
    }
  });
}

__global__ void __launch_bounds__(kThreads) mixing_backward_kernel(DARTSMITH_ARGUMENT(Rows) rows, const float* mixing,
                                                                   const double* gradients, float* alpha_gradients) {
  begin_kernel();
  for_grid(rows.count, [&](Index r) {
    const MixingRow& row = rows.rows[r];
    const float* p = mixing + row.offset;
    const double* g = gradients + row.offset;
    double mean = 0;
    for (int64_t k = 0; k < row.length; ++k) mean += p[k] * g[k];
    for (int64_t k = 0; k < row.length; ++k) {
      const double slope = row.form == MixingForm::kSigmoid ? (1 - static_cast<double>(p[k])) * g[k] : g[k] - mean;
      alpha_gradients[row.offset + k] = static_cast<float>(row.form == MixingForm::kGiven ? g[k] : p[k] * slope);
    }
  });
}

struct PenaltyParts {
  double* sums;  // [kThreads]
  __host__ __device__ explicit PenaltyParts(Shared& shared) : sums(shared.take<double>(kThreads)) {}
};

// One block: the tables of a supernet have tens of rows.
__global__ void __launch_bounds__(kThreads) penalty_kernel(PenaltyCall call) {
  begin_kernel();
  Shared shared(shared_memory());
  const PenaltyParts parts(shared);
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

void mixing_forward(Stream& stream, const MixingRow* rows, int64_t count, const float* alpha, float* mixing) {
  for_rows(rows, count, [&](const Rows& part) {
    launch(CudaStream::of(stream), mixing_forward_kernel, a_thread_each(part.count), part, alpha, mixing);
  });
}

void mixing_backward(Stream& stream, const MixingRow* rows, int64_t count, const float* mixing,
                     const double* mixing_gradients, float* alpha_gradients) {
  for_rows(rows, count, [&](const Rows& part) {
    launch(CudaStream::of(stream), mixing_backward_kernel, a_thread_each(part.count), part, mixing, mixing_gradients,
           alpha_gradients);
  });
}

void penalty(Stream& stream, const PenaltyCall& call) {
  launch(CudaStream::of(stream), penalty_kernel, {1, shared_bytes<PenaltyParts>()}, call);
}

}  // namespace dartsmith::cuda
