// A device: a backend, the working memory that all its programs share, and the thread that runs their jobs in order.
#pragma once
#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "engine/backend.h"
#include "engine/recompute.h"
#include "engine/step_memory.h"
#include "engine/worker.h"

namespace dartsmith {

class Device {
 public:
  explicit Device(std::shared_ptr<Backend> backend) : backend(std::move(backend)), step_memory(this->backend) {}

  // Working memory of at least `bytes`; contents do not survive from one pass to the next. Engine thread only.
  std::byte* arena(size_t bytes) {
    arena_wanted_ = std::max(arena_wanted_, bytes);
    if (arena_.bytes() < bytes) {
      recordings.clear();  // they know where the old one lies
      backend->finish();
      arena_bytes_ = 0;
      arena_ = Buffer();  // free first: the two need not fit together
      arena_ = Buffer(backend, bytes);
      arena_bytes_ = bytes;
    }
    return arena_.as<std::byte>();
  }
  size_t arena_bytes() const { return arena_bytes_; }
  // Whether the working memory is enough for all of a run's passes, which begin_run() begins: one that had to do with
  // less after one that there was room for may have left it smaller. Engine thread only.
  bool arena_holds_run() const { return arena_.bytes() >= arena_wanted_; }
  void begin_run() { arena_wanted_ = 0; }

  const std::shared_ptr<Backend> backend;
  std::atomic<bool> closed = false;  // disposed of by its user; jobs under way still finish
  StepMemory step_memory;            // engine thread only
  // Runs of commands that came before, by what they are made of; null for one that came once. Engine thread only.
  std::map<std::string, std::unique_ptr<Recording>> recordings;
  // The most that any program computes again for want of memory. Engine thread only.
  Recompute recompute = Recompute::kNone;
  std::atomic<int64_t> recorded_kernels = 0;  // of the run that was replayed last

 private:
  Buffer arena_;
  std::atomic<size_t> arena_bytes_ = 0;
  size_t arena_wanted_ = 0;  // at most, by passes of a run

 public:
  Worker worker;  // last, so that it stops before what its jobs use goes away
};

}  // namespace dartsmith
