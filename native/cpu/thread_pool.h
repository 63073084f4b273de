// Threads that share a kernel's tasks. Tasks are cut by the problem's sizes alone, never by the thread count, so that
// sums come out the same however many threads there are. No std templates: see engine/kernel.h.
#pragma once
#include <cstddef>
#include <cstdint>

#include "cpu/tuning.h"
#include "engine/kernel.h"

namespace dartsmith::cpu {

class ThreadPool final : public Stream {
 public:
  using Task = void (*)(const void* context, int64_t task, int thread);

  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  // Runs tasks 0..count-1, each once, on any thread; returns when all are done. The caller's thread takes part.
  void run(int64_t count, Task task, const void* context);

  // At least `bytes` of scratch of one thread, aligned to 64; contents do not survive the task.
  void* scratch(int thread, size_t bytes);

  // What kernels go by, and those that run from now on.
  const Tuning& tuning() const { return tuning_; }
  void tune(const Tuning& tuning) { tuning_ = tuning; }

 private:
  void stop();

  struct State;
  State* state_;
  Tuning tuning_ = kTunings[0];
};

// Memory that frees itself. Throws std::bad_alloc, from code that every instruction set can run.
class Memory {
 public:
  explicit Memory(size_t bytes);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  void* data() const { return data_; }

 private:
  void* data_;
};

// Of a clock that never goes back.
double monotonic_seconds();

}  // namespace dartsmith::cpu
