// A device and the stream that a program's kernels run on.
#pragma once
#include <cuda_runtime.h>

#include <map>
#include <memory>

#include "cuda/error.h"
#include "engine/kernel.h"

namespace dartsmith::cuda {

class PendingChain;

class CudaStream final : public Stream {
 public:
  explicit CudaStream(int device);
  ~CudaStream();
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;

  static CudaStream& of(Stream& stream) { return static_cast<CudaStream&>(stream); }

  // Makes the device the calling thread's own.
  void select() const { check(cudaSetDevice(device_), "choosing the device"); }
  // To queue something on, behind all that waited to be started.
  cudaStream_t handle() {
    start_pending();
    return handle_;
  }
  // What waits to be started (chain.h); null for nothing.
  std::unique_ptr<PendingChain>& pending() { return pending_; }
  void start_pending();
  void drop_pending() noexcept;
  // Drops what waits to be started and waits for the rest, whatever became of it.
  void abandon() noexcept;
  int multiprocessors() const { return multiprocessors_; }
  // Whether the blocks of a launch can wait for one another.
  bool cooperative() const { return cooperative_; }
  // Counters in device memory, all 0, for kernels that count their blocks and leave them at 0: those of a launch are
  // its own as long as it runs.
  unsigned* tickets(int count);
  // Of a block.
  int most_shared_bytes() const { return most_shared_bytes_; }
  void wait() { check(cudaStreamSynchronize(handle()), "running a kernel"); }

  // Blocks of a kernel that the device holds at once; remembered by kernel and shared memory.
  template <typename Find>
  int resident_blocks(const void* kernel, size_t shared_bytes, const Find& find) {
    const auto known = resident_.find({kernel, shared_bytes});
    if (known != resident_.end()) return known->second;
    // Before anything is kept: it may throw.
    const int blocks = find();
    resident_.emplace(std::pair{kernel, shared_bytes}, blocks);
    return blocks;
  }

 private:
  int device_;
  int multiprocessors_ = 0;
  int most_shared_bytes_ = 0;
  bool cooperative_ = false;
  cudaStream_t handle_ = nullptr;
  unsigned* tickets_ = nullptr;
  int next_ticket_ = 0;
  std::unique_ptr<PendingChain> pending_;
  std::map<std::pair<const void*, size_t>, int> resident_;
};

}  // namespace dartsmith::cuda
