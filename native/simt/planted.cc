#include "simt/planted.h"

#include <algorithm>
#include <iterator>

#include "cuda/kernels.h"

namespace dartsmith::simt {
namespace {

using cuda::kThreads;

constexpr const char* kBugs[] = {
    "none", "missing barrier", "divergent barrier", "past shared memory", "past an allocation", "unwritten"};
enum Bug { kNone, kMissingBarrier, kDivergentBarrier, kPastShared, kPastAllocation, kUnwritten };

template <Bug bug>
void reverse_kernel(const float* from, float* to) {
  cuda::Shared shared(cuda::shared_memory());
  float* numbers = shared.take<float>(kThreads);
  float* others = shared.take<float>(kThreads);
  const int thread = static_cast<int>(threadIdx.x);
  numbers[thread] = from[thread];
  if (bug == kPastShared && thread == 3) numbers[kThreads] = 1;
  if (bug == kPastAllocation && thread == 3) to[kThreads] = 1;
  if (bug == kDivergentBarrier) {
    if (thread % 2 == 0) __syncthreads();
    if (thread % 2 == 1) __syncwarp();
  } else if (bug != kMissingBarrier) {
    __syncthreads();
  }
  to[thread] = bug == kUnwritten ? others[thread] : numbers[kThreads - 1 - thread];
}

template <Bug bug>
void start(cuda::CudaStream& stream, const float* from, float* to) {
  cuda::Shared counted(nullptr);
  counted.take<float>(kThreads);
  counted.take<float>(kThreads);
  cuda::launch(stream, reverse_kernel<bug>, {1, counted.bytes()}, from, to);
}

using Start = void (*)(cuda::CudaStream&, const float*, float*);
constexpr Start kStarts[] = {start<kNone>,       start<kMissingBarrier>, start<kDivergentBarrier>,
                             start<kPastShared>, start<kPastAllocation>, start<kUnwritten>};

// Device memory that frees itself.
class Numbers {
 public:
  Numbers() { cuda::check(cudaMalloc(reinterpret_cast<void**>(&data), kThreads * sizeof(float)), "allocating"); }
  ~Numbers() { cudaFree(data); }
  Numbers(const Numbers&) = delete;
  Numbers& operator=(const Numbers&) = delete;
  float* data = nullptr;
};

}  // namespace

std::vector<float> run_planted(const std::string& bug, int device) {
  const auto* found = std::find(std::begin(kBugs), std::end(kBugs), bug);
  if (found == std::end(kBugs)) fail("simt", "expected a known bug but got '", bug, "'");
  cuda::CudaStream stream(device);
  const Numbers from, to;
  std::vector<float> numbers(kThreads);
  for (int i = 0; i < kThreads; ++i) numbers[i] = static_cast<float>(i);
  const auto move = [&](void* target, const void* source, cudaMemcpyKind kind) {
    cuda::check(cudaMemcpyAsync(target, source, kThreads * sizeof(float), kind, stream.handle()), "copying");
  };
  move(from.data, numbers.data(), cudaMemcpyHostToDevice);
  kStarts[found - std::begin(kBugs)](stream, from.data, to.data);
  stream.wait();
  move(numbers.data(), to.data, cudaMemcpyDeviceToHost);
  stream.wait();
  return numbers;
}

}  // namespace dartsmith::simt
