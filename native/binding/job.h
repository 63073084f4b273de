// Work on a device's thread that settles a promise; no JavaScript runs there.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <set>

#include "binding/node.h"
#include "engine/device.h"

namespace dartsmith::binding {

class Job {
 public:
  // Runs on the device's thread; throws Error or Cancelled. Returns what turns the result into a JavaScript value.
  using Settle = std::function<Napi::Value(Napi::Env)>;
  using Work = std::function<Settle(const std::atomic<bool>& cancelled)>;

  // Queues `work` and returns { promise, cancel }.
  static Napi::Object start(Napi::Env env, std::shared_ptr<Device> device, Work work);

  void cancel() { *cancelled_ = true; }
  void wait() { finished_.wait(false); }

 private:
  Job(Napi::Env env, std::shared_ptr<Device> device, Work work);
  void run();
  void settle(Napi::Env env);

  std::shared_ptr<Device> device_;
  Work work_;
  Settle settle_;
  std::string error_;
  bool was_cancelled_ = false;
  // Outlives the job: JavaScript may call cancel() after it is done.
  std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
  std::atomic<bool> finished_ = false;
  Napi::Promise::Deferred deferred_;
  Napi::ThreadSafeFunction completion_;
};

// Per environment (main thread or worker): jobs under way, so that a closing environment can wait for them.
struct Environment {
  std::set<Job*> jobs;

  static void install(Napi::Env env);
};

}  // namespace dartsmith::binding
