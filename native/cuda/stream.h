// A device and the stream that a program's kernels run on.
#pragma once
#include <cuda_runtime.h>

#include "cuda/error.h"
#include "engine/kernel.h"

namespace dartsmith::cuda {

// A stream and an event that says how far it has come, once open on the device that is selected.
class MarkedStream {
 public:
  MarkedStream() = default;
  void open();
  ~MarkedStream();
  MarkedStream(const MarkedStream&) = delete;
  MarkedStream& operator=(const MarkedStream&) = delete;
  cudaStream_t handle() const { return handle_; }
  cudaEvent_t reached() const { return reached_; }

 private:
  cudaStream_t handle_ = nullptr;
  cudaEvent_t reached_ = nullptr;
};

class CudaStream final : public Stream {
 public:
  explicit CudaStream(int device);
  ~CudaStream();
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;

  static CudaStream& of(Stream& stream) { return static_cast<CudaStream&>(stream); }

  // Makes the device the calling thread's own.
  void select() const { check(cudaSetDevice(device_), "choosing the device"); }
  // To queue something on.
  cudaStream_t handle() const { return queue_; }
  // Lets in_branches fork: streams that only move data need no others beside them.
  void allow_branches();
  // Calls body(i) for so many branches, each of which queues what none of the others waits for: what was queued before
  // comes first for all of them, and what follows waits for all. Where it throws, what was queued is not joined:
  // abandon.
  template <typename Body>
  void in_branches(int count, const Body& body) {
    const bool forks = count > 1 && branches_ && queue_ == trunk_.handle() && may_branch();
    const BackToTrunk back(*this);
    if (forks) fork(count);
    for (int i = 0; i < count; ++i) {
      if (forks) enter(i);
      body(i);
    }
    if (forks) join(count);
  }
  // Waits for what is queued, whatever became of it.
  void abandon() noexcept;
  int multiprocessors() const { return multiprocessors_; }
  // Whether the blocks of a launch can wait for one another.
  bool cooperative() const { return cooperative_; }
  // Whether kernels may be given places before those that they wait for have ended (begin_kernel): programmatic
  // dependent launches, by DARTSMITH_CUDA_EARLY=on.
  bool starts_early() const { return starts_early_; }
  // Counters in device memory, all 0, for kernels that count their blocks and leave them at 0: those of a launch are
  // its own as long as it runs.
  unsigned* tickets(int count);
  // Of a block.
  int most_shared_bytes() const { return most_shared_bytes_; }
  void wait() const { check(cudaStreamSynchronize(handle()), "running a kernel"); }

 private:
  static constexpr int kSides = 3;  // two kernel sizes, two gradients; more branches share them
  static bool may_branch();
  // Whatever happens in branches, what follows is queued where it was before.
  class BackToTrunk {
   public:
    explicit BackToTrunk(CudaStream& stream) : stream_(stream), before_(stream.queue_) {}
    ~BackToTrunk() { stream_.queue_ = before_; }
    BackToTrunk(const BackToTrunk&) = delete;
    BackToTrunk& operator=(const BackToTrunk&) = delete;

   private:
    CudaStream& stream_;
    cudaStream_t before_;
  };
  static int sides_of(int branches) { return branches - 1 < kSides ? branches - 1 : kSides; }
  void fork(int branches);
  void enter(int branch);
  void join(int branches);

  int device_;
  int multiprocessors_ = 0;
  int most_shared_bytes_ = 0;
  bool cooperative_ = false;
  bool starts_early_ = false;
  MarkedStream trunk_;
  cudaStream_t queue_ = nullptr;  // the trunk's, or a branch's
  MarkedStream sides_[kSides];
  bool branches_ = false;  // whether the sides are open
  unsigned* tickets_ = nullptr;
  int next_ticket_ = 0;
};

}  // namespace dartsmith::cuda
