#include <algorithm>

#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "cuda/peak.h"

namespace dartsmith::cuda {
namespace {

inline constexpr int kChains = 8;  // of multiply-adds that do not wait for each other
inline constexpr int kRounds = 4096;

// As many multiply-adds as registers allow; the sum is kept so that they are not left out.
__global__ void __launch_bounds__(kThreads) multiply_add_kernel(float factor, int rounds, float* result) {
  begin_kernel();
  float sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = static_cast<float>(threadIdx.x) + static_cast<float>(i);
  for (int round = 0; round < rounds; ++round) {
#pragma unroll
    for (int i = 0; i < kChains; ++i) sums[i] = fmaf(sums[i], factor, 1.0f);
  }
  float sum = 0;
  for (int i = 0; i < kChains; ++i) sum += sums[i];
  if (sum == 0.123f) *result = sum;
}

__global__ void __launch_bounds__(kThreads) read_kernel(const float4* values, int64_t count, float* result) {
  begin_kernel();
  float4 sum = splat(0);
  for_grid(count, [&](Index i) { sum = sum + values[i]; });
  if (sum.x + sum.y + sum.z + sum.w == 0.123f) *result = sum.x;
}

class Timer {
 public:
  explicit Timer(CudaStream& stream) : stream_(stream) {
    check(cudaEventCreateWithFlags(&begin_, cudaEventDefault), "making an event");
    check(cudaEventCreateWithFlags(&end_, cudaEventDefault), "making an event");
  }
  ~Timer() {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }
  // Seconds of the fastest of some runs.
  template <typename Work>
  double fastest(const Work& work) {
    float least = 0;
    for (int run = 0; run < 10; ++run) {
      check(cudaEventRecord(begin_, stream_.handle()), "timing");
      work();
      check(cudaEventRecord(end_, stream_.handle()), "timing");
      stream_.wait();
      float millis = 0;
      check(cudaEventElapsedTime(&millis, begin_, end_), "timing");
      least = run == 0 ? millis : std::min(least, millis);
    }
    return std::max(least, 1e-6f) / 1e3;
  }

 private:
  CudaStream& stream_;
  cudaEvent_t begin_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

class DeviceMemory {
 public:
  explicit DeviceMemory(size_t bytes) { check(cudaMalloc(&memory_, bytes), "allocating memory to measure"); }
  ~DeviceMemory() { cudaFree(memory_); }
  void* get() const { return memory_; }

 private:
  void* memory_ = nullptr;
};

}  // namespace

Peak measure_peak(Stream& abstract) {
  CudaStream& stream = CudaStream::of(abstract);
#ifdef DARTSMITH_SIMT
  constexpr size_t kBytes = size_t{1} << 20;
  constexpr int kUsedRounds = 16;
#else
  constexpr size_t kBytes = size_t{1} << 30;  // far more than any cache
  constexpr int kUsedRounds = kRounds;
#endif
  const DeviceMemory memory(kBytes), result(sizeof(float));
  check(cudaMemsetAsync(memory.get(), 0, kBytes, stream.handle()), "clearing memory to measure");
  Timer timer(stream);
  const int64_t blocks = int64_t{stream.multiprocessors()} * 8;
  auto* kept = static_cast<float*>(result.get());
  const double arithmetic =
      timer.fastest([&] { launch(stream, multiply_add_kernel, {blocks}, 0.999f, kUsedRounds, kept); });
  const int64_t vectors = static_cast<int64_t>(kBytes / sizeof(float4));
  const double reading = timer.fastest(
      [&] { launch(stream, read_kernel, {blocks}, static_cast<const float4*>(memory.get()), vectors, kept); });
  return {2.0 * kChains * kUsedRounds * kThreads * static_cast<double>(blocks) / arithmetic,
          static_cast<double>(kBytes) / reading};
}

}  // namespace dartsmith::cuda
