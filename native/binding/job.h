// Work on a device's thread that settles a promise; no JavaScript runs there.
#pragma once
#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <set>

#include "binding/node.h"
#include "engine/device.h"

namespace dartsmith::binding {

struct Environment;

class Job {
 public:
  // Runs on the device's thread; throws Error or Cancelled. Returns what turns the result into a JavaScript value.
  using Settle = std::function<Napi::Value(Napi::Env)>;
  using Work = std::function<Settle(const std::atomic<bool>& cancelled)>;

  // Queues `work` and returns { promise, cancel }.
  static Napi::Object start(Napi::Env env, std::shared_ptr<Device> device, Work work);

  ~Job() { finished_->wait(false); }  // for the few instructions that run() has left
  void cancel() { *cancelled_ = true; }

 private:
  Job(Napi::Env env, std::shared_ptr<Device> device, Work work);
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  void run();
  void remember(const std::exception_ptr& failure);
  void settle(Napi::Env env);

  std::shared_ptr<Device> device_;
  std::shared_ptr<Environment> environment_;
  Work work_;
  Settle settle_;
  std::string error_;
  bool was_cancelled_ = false;
  // Outlives the job: JavaScript may call cancel() after it is done.
  std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
  // Outlives the job too: run() notifies whoever waits to free the job.
  std::shared_ptr<std::atomic<bool>> finished_ = std::make_shared<std::atomic<bool>>(false);
  Napi::Promise::Deferred deferred_;
  Napi::ThreadSafeFunction completion_;
};

// Per environment (main thread or worker): jobs that have not settled, so that a closing environment can end them.
struct Environment {
  std::set<Job*> jobs;

  static void install(Napi::Env env);
  static std::shared_ptr<Environment> of(Napi::Env env);
  void close();
};

}  // namespace dartsmith::binding
