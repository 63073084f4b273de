// A backend whose calls fail when they are told to, and tasks that throw: to show that whatever fails, wherever, ends
// in an error and no worse.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "cpu/thread_pool.h"
#include "engine/backend.h"
#include "engine/error.h"

namespace dartsmith::simt {

class FailingBackend final : public Backend {
 public:
  explicit FailingBackend(std::shared_ptr<Backend> inner) : inner_(std::move(inner)) {}

  // Lets the `first`-th of the calls from now on fail, counted from 1, and each of the `times` - 1 behind it; 0 for
  // none. Gives how many calls there were since it was asked last.
  int64_t fail_at(int64_t first, int64_t times) {
    first_ = first;
    times_ = times;
    return calls_.exchange(0);
  }

  std::string description() const override { return inner_->description(); }
  Stream& stream() override { return inner_->stream(); }
  // A kernel that cannot be started: whoever asks for one starts it at once.
  const OpKernels& kernels(Op op) const override { return call(), inner_->kernels(op); }
  const Sweeps& sweeps() const override { return call(), inner_->sweeps(); }
  bool computes_in(Precision precision) const override { return inner_->computes_in(precision); }
  bool halves_images() const override { return inner_->halves_images(); }

  void* allocate(size_t bytes) override { return call(), inner_->allocate(bytes); }
  void release(void* memory) noexcept override { inner_->release(memory); }
  void initialise(void* device, const void* host, size_t bytes) override {
    call();
    inner_->initialise(device, host, bytes);
  }
  void upload(void* device, const void* host, size_t bytes) override {
    call();
    inner_->upload(device, host, bytes);
  }
  void download(void* host, const void* device, size_t bytes) override {
    call();
    inner_->download(host, device, bytes);
  }
  void copy(void* target, const void* source, size_t bytes) override {
    call();
    inner_->copy(target, source, bytes);
  }
  void clear(void* device, size_t bytes) override {
    call();
    inner_->clear(device, bytes);
  }
  void stage(void* device, const void* host, size_t bytes) override {
    call();
    inner_->stage(device, host, bytes);
  }
  void wait_for_staged() override {
    call();
    inner_->wait_for_staged();
  }
  bool stages(size_t bytes) override { return call(), inner_->stages(bytes); }
  void settle_staged() noexcept override { inner_->settle_staged(); }
  void abandon() noexcept override { inner_->abandon(); }
  void finish() override {
    call();
    inner_->finish();
  }

  int slice_workers() const override { return inner_->slice_workers(); }
  void run_slices(int64_t count, const SliceBody& body) override { inner_->run_slices(count, body); }
  double seconds_of(const std::function<void()>& queue) override { return call(), inner_->seconds_of(queue); }

  std::unique_ptr<Recording> record(const std::function<void()>& queue) override {
    call();
    return std::make_unique<FailingRecording>(*this, inner_->record(queue));
  }
  bool records() const override { return inner_->records(); }

  size_t zone_bytes() const override { return inner_->zone_bytes(); }
  void mark_zone(void* zone) override { inner_->mark_zone(zone); }
  void check_zone(const void* zone) override { inner_->check_zone(zone); }

 private:
  class FailingRecording final : public Recording {
   public:
    FailingRecording(const FailingBackend& backend, std::unique_ptr<Recording> inner)
        : backend_(backend), inner_(std::move(inner)) {}
    void replay() override {
      backend_.call();
      inner_->replay();
    }
    int64_t kernels() const override { return inner_->kernels(); }

   private:
    const FailingBackend& backend_;
    const std::unique_ptr<Recording> inner_;
  };

  void call() const {
    const int64_t now = ++calls_, first = first_;
    if (first > 0 && now >= first && now < first + times_) fail("planted", "call ", now, " fails");
  }

  const std::shared_ptr<Backend> inner_;
  mutable std::atomic<int64_t> calls_ = 0;
  std::atomic<int64_t> first_ = 0, times_ = 1;
};

// Runs tasks on a pool of threads, of which one in each way throws something else; gives how many runs of eight came
// back with an exception, and were followed by a run in which every task ran once.
inline int run_failing_tasks(int threads) {
  constexpr int64_t kTasks = 1000;
  cpu::ThreadPool pool(threads);
  int caught = 0;
  for (int64_t failing = 0; failing < 8; ++failing) {
    const auto throwing = [](const void* context, int64_t task, int) {
      const int64_t chosen = *static_cast<const int64_t*>(context);
      if (task % 8 != chosen) return;
      if (chosen % 2 == 0) throw Error("planted");
      throw chosen;
    };
    try {
      pool.run(kTasks, throwing, &failing);
    } catch (...) {
      ++caught;
    }
    std::atomic<int64_t> ran = 0;
    const auto counting = [](const void* context, int64_t, int) {
      ++*static_cast<std::atomic<int64_t>*>(const_cast<void*>(context));
    };
    pool.run(kTasks, counting, &ran);
    if (ran != kTasks) fail("simt", "expected ", kTasks, " tasks after a failure but ", ran.load(), " ran");
  }
  return caught;
}

}  // namespace dartsmith::simt
