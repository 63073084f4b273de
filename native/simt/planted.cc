#include "simt/planted.h"

#include <algorithm>
#include <iterator>

#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "engine/error.h"

namespace dartsmith::simt {
namespace {

using cuda::kThreads;

constexpr const char* kBugs[] = {
    "none",      "missing barrier", "divergent barrier",  "past shared memory", "past an allocation",
    "unwritten", "impatient",       "dependent branches", "unjoined branch",    "failing branch"};
enum Bug { kNone, kMissingBarrier, kDivergentBarrier, kPastShared, kPastAllocation, kUnwritten, kImpatient };

template <Bug bug>
void reverse_kernel(const float* from, float* to) {
  if (bug != kImpatient) cuda::begin_kernel();
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

// Records a graph and launches it.
template <typename Queue>
void replay(cuda::CudaStream& stream, const Queue& queue) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  cuda::check(cudaStreamBeginCapture(stream.handle(), cudaStreamCaptureModeThreadLocal), "recording");
  queue();
  cuda::check(cudaStreamEndCapture(stream.handle(), &graph), "recording");
  cuda::check(cudaGraphInstantiate(&exec, graph), "recording");
  cuda::check(cudaGraphLaunch(exec, stream.handle()), "launching");
  cudaGraphExecDestroy(exec);
  cudaGraphDestroy(graph);
}

// The second branch reads what the first one writes.
void start_dependent(cuda::CudaStream& stream, const float* from, float* to) {
  replay(stream,
         [&] { stream.in_branches(2, [&](int branch) { start<kNone>(stream, branch == 0 ? from : to, to); }); });
}

// Nobody waits for what a second stream does.
void start_unjoined(cuda::CudaStream& stream, const float*, float* to) {
  cuda::MarkedStream side, fork;
  side.open();
  fork.open();
  replay(stream, [&] {
    cuda::check(cudaEventRecord(fork.reached(), stream.handle()), "forking");
    cuda::check(cudaStreamWaitEvent(side.handle(), fork.reached(), 0), "forking");
    cuda::check(cudaMemsetAsync(to, 0, sizeof(float), side.handle()), "clearing");
  });
}

// What is recorded fails in a branch; the stream goes on all the same.
void start_failing(cuda::CudaStream& stream, const float* from, float* to) {
  const auto queue = [&] {
    stream.in_branches(2, [&](int branch) {
      start<kNone>(stream, from, to);
      if (branch == 1) fail("simt", "a branch that fails");
    });
  };
  cuda::check(cudaStreamBeginCapture(stream.handle(), cudaStreamCaptureModeThreadLocal), "recording");
  try {
    queue();
  } catch (const Error&) {
    cudaGraph_t graph = nullptr;
    cudaStreamEndCapture(stream.handle(), &graph);
  }
  start<kNone>(stream, from, to);
}

using Start = void (*)(cuda::CudaStream&, const float*, float*);
constexpr Start kStarts[] = {
    start<kNone>,      start<kMissingBarrier>, start<kDivergentBarrier>, start<kPastShared>, start<kPastAllocation>,
    start<kUnwritten>, start<kImpatient>,      start_dependent,          start_unjoined,     start_failing};

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
  stream.allow_branches();
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
