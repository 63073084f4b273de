// The one place where kernels are started.
#pragma once
#include "cuda/stream.h"
#include "cuda/task.cuh"

namespace dartsmith::cuda {

// How a kernel is started: at most one block a task; blocks take tasks in turns (for_tasks). The tasks and their
// results follow from the problem alone, never from how many blocks a device holds.
struct Work {
  int64_t tasks = 1;
  size_t shared_bytes = 0;
  int threads = kThreads;  // of a block
};

// One thread an item.
inline Work a_thread_each(int64_t items) {
  return {divide_up(items, kThreads)};
}

// Lets a kernel have as much shared memory as a block can. Never less, since that holds for the whole device: another
// stream's launch of the same kernel with more would no longer be allowed.
template <typename... Parameters>
void allow_shared_memory(const CudaStream& stream, void (*kernel)(Parameters...)) {
  stream.select();
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, stream.most_shared_bytes()),
        "asking for shared memory");
}

inline void check_tasks(const Work& work) {
  if (work.tasks > INT32_MAX) fail("cuda", "expected fewer than 2^31 tasks in a launch: use a smaller batch");
}

template <typename... Parameters, typename... Arguments>
void start(CudaStream& stream, void (*kernel)(Parameters...), int64_t blocks, const Work& work, bool cooperative,
           const Arguments&... arguments) {
  stream.select();
  cudaLaunchAttribute attribute{};
  if (cooperative) {
    attribute.id = cudaLaunchAttributeCooperative;
    attribute.val.cooperative = 1;
  } else {
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
  }
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(blocks));
  config.blockDim = dim3(static_cast<unsigned>(work.threads));
  config.dynamicSmemBytes = work.shared_bytes;
  config.stream = stream.handle();
  config.attrs = &attribute;
  config.numAttrs = cooperative || stream.starts_early() ? 1 : 0;
  check(cudaLaunchKernelEx(&config, kernel, arguments...), "launching a kernel");
}

// For kernels whose blocks do one task each.
template <typename... Parameters, typename... Arguments>
void launch_blocks(CudaStream& stream, void (*kernel)(Parameters...), const Work& work, const Arguments&... arguments) {
  if (work.tasks <= 0) return;
  check_tasks(work);
  constexpr size_t kAlwaysAllowed = 48 << 10;
  if (work.shared_bytes > kAlwaysAllowed) allow_shared_memory(stream, kernel);
  start(stream, kernel, work.tasks, work, false, arguments...);
}

// For kernels whose blocks take tasks in turns.
template <typename... Parameters, typename... Arguments>
void launch(CudaStream& stream, void (*kernel)(Parameters...), const Work& work, const Arguments&... arguments) {
  constexpr int64_t kMostBlocks = 1 << 20;
  check_tasks(work);
  launch_blocks(stream, kernel, {smaller(work.tasks, kMostBlocks), work.shared_bytes}, arguments...);
}

// For kernels that wait for the whole grid: no more blocks than the device holds at once.
template <typename... Parameters, typename... Arguments>
void launch_cooperative(CudaStream& stream, void (*kernel)(Parameters...), const Work& work,
                        const Arguments&... arguments) {
  check_tasks(work);
  allow_shared_memory(stream, kernel);
  int blocks = 0;
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, kThreads, work.shared_bytes),
        "asking how many blocks fit");
  if (blocks < 1) fail("cuda", "a kernel needs ", work.shared_bytes, " bytes of shared memory: more than there are");
  const int resident = blocks * stream.multiprocessors();
  start(stream, kernel, larger(1, smaller(work.tasks, resident)), work, true, arguments...);
}

// Calls body(calls, count) for parts of a group that one launch takes.
template <typename Body>
void for_parts(const KernelCall* calls, int count, const Body& body) {
  for (int first = 0; first < count; first += kMembers) {
    body(calls + first, static_cast<int>(smaller(kMembers, count - first)));
  }
}

}  // namespace dartsmith::cuda
