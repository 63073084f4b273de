#include "cpu/thread_pool.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace dartsmith::cpu {
namespace {

// About a tenth of a millisecond: waking a sleeping thread costs as much on a virtual machine, and a step has thousands
// of kernels (measured: a quarter of a step's time at batch 16 with a tenth of it).
constexpr int kSpins = 3000;

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

struct FreeDeleter {
  void operator()(void* memory) const { std::free(memory); }
};

struct Scratch {
  std::unique_ptr<void, FreeDeleter> memory;
  size_t bytes = 0;
};

}  // namespace

Memory::Memory(size_t bytes) : data_(std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096)) {
  if (data_ == nullptr) throw std::bad_alloc();
}

Memory::~Memory() {
  std::free(data_);
}

double monotonic_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct ThreadPool::State {
  std::vector<std::thread> workers;
  std::vector<Scratch> scratch;
  Task task = nullptr;
  const void* context = nullptr;
  int64_t count = 0;
  std::atomic<int64_t> next = 0;
  std::atomic<int> unfinished = 0;
  std::atomic<uint32_t> generation = 0;  // bumped for each run, so that workers wake
  std::atomic<bool> stopping = false;
  std::mutex failure_mutex;
  std::exception_ptr failure;  // of the first task that failed

  // What a task throws must reach the caller, not end a thread and the process.
  void take_tasks(int thread) {
    try {
      for (int64_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) task(context, i, thread);
    } catch (...) {
      const std::lock_guard lock(failure_mutex);
      if (failure == nullptr) failure = std::current_exception();
    }
  }

  void work(int thread) {
    uint32_t seen = 0;
    for (;;) {
      for (int spin = 0; spin < kSpins && generation.load(std::memory_order_acquire) == seen; ++spin) relax();
      generation.wait(seen, std::memory_order_acquire);
      seen = generation.load(std::memory_order_acquire);
      if (stopping.load()) return;
      take_tasks(thread);
      if (unfinished.fetch_sub(1) == 1) unfinished.notify_one();
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(new State) {
  state_->scratch.resize(threads);
  try {
    for (int thread = 1; thread < threads; ++thread) {
      state_->workers.emplace_back([state = state_, thread] { state->work(thread); });
    }
  } catch (...) {
    stop();
    throw;
  }
}

ThreadPool::~ThreadPool() {
  stop();
}

void ThreadPool::stop() {
  state_->stopping = true;
  state_->generation.fetch_add(1);
  state_->generation.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
  delete state_;
}

int ThreadPool::threads() const {
  return static_cast<int>(state_->scratch.size());
}

void ThreadPool::run(int64_t count, Task task, const void* context) {
  State& s = *state_;
  if (count <= 1 || s.workers.empty()) {
    for (int64_t i = 0; i < count; ++i) task(context, i, 0);
    return;
  }
  s.task = task;
  s.context = context;
  s.count = count;
  s.next.store(0);
  s.unfinished.store(static_cast<int>(s.workers.size()));
  s.generation.fetch_add(1, std::memory_order_release);
  s.generation.notify_all();
  s.take_tasks(0);
  for (int spin = 0; spin < kSpins && s.unfinished.load() != 0; ++spin) relax();
  for (int left = s.unfinished.load(); left != 0; left = s.unfinished.load()) s.unfinished.wait(left);
  if (s.failure != nullptr) std::rethrow_exception(std::exchange(s.failure, nullptr));
}

void* ThreadPool::scratch(int thread, size_t bytes) {
  Scratch& scratch = state_->scratch[thread];
  if (scratch.bytes < bytes) {
    const size_t rounded = (bytes + 4095) / 4096 * 4096;
    void* memory = std::aligned_alloc(4096, rounded);
    if (memory == nullptr) throw std::bad_alloc();
    scratch.memory.reset(memory);
    scratch.bytes = rounded;
  }
  return scratch.memory.get();
}

}  // namespace dartsmith::cpu
