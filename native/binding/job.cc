#include "binding/job.h"

#include <new>

#include "engine/error.h"

namespace dartsmith::binding {

void Environment::install(Napi::Env env) {
  auto environment = std::make_unique<Environment>();
  // An environment that closes (a worker thread that is terminated) must not leave threads that still call into it.
  env.AddCleanupHook(
      [](Environment* closing) {
        for (Job* job : closing->jobs) job->cancel();
        for (Job* job : closing->jobs) job->wait();
      },
      environment.get());
  env.SetInstanceData(environment.release());
}

Job::Job(Napi::Env env, std::shared_ptr<Device> device, Work work)
    : device_(std::move(device)),
      work_(std::move(work)),
      deferred_(Napi::Promise::Deferred::New(env)),
      completion_(Napi::ThreadSafeFunction::New(env, Napi::Function(), "dartsmith job", 0, 1)) {}

Napi::Object Job::start(Napi::Env env, std::shared_ptr<Device> device, Work work) {
  Device& runner = *device;
  // Owned by its completion, which runs on this thread: the last reference to a device is then never dropped on the
  // device's own thread.
  auto* job = new Job(env, std::move(device), std::move(work));
  env.GetInstanceData<Environment>()->jobs.insert(job);
  Napi::Object result = Napi::Object::New(env);
  result.Set("promise", job->deferred_.Promise());
  result.Set("cancel", Napi::Function::New(env, [cancelled = job->cancelled_](const Napi::CallbackInfo&) { *cancelled = true; }));
  runner.worker.submit([job] { job->run(); });
  return result;
}

void Job::run() {
  try {
    if (*cancelled_) throw Cancelled();
    settle_ = work_(*cancelled_);
  } catch (const Cancelled& cancelled) {
    was_cancelled_ = true;
    error_ = cancelled.what();
  } catch (const std::bad_alloc&) {
    error_ = "[memory] out of memory: use a smaller batch";
  } catch (const std::exception& error) {
    error_ = error.what();
  }
  Napi::ThreadSafeFunction completion = completion_;
  completion.BlockingCall(this, [](Napi::Env env, Napi::Function, Job* job) {
    const std::unique_ptr<Job> owned(job);
    env.GetInstanceData<Environment>()->jobs.erase(job);
    job->wait();  // for the few instructions that run() has left
    job->settle(env);
  });
  completion.Release();
  finished_ = true;
  finished_.notify_all();
}

void Job::settle(Napi::Env env) {
  const Napi::HandleScope scope(env);
  if (settle_ != nullptr) {
    try {
      deferred_.Resolve(settle_(env));
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    }
    return;
  }
  Napi::Object error = Napi::Error::New(env, error_).Value();
  error.Set("cancelled", was_cancelled_);
  deferred_.Reject(error);
}

}  // namespace dartsmith::binding
