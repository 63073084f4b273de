#include "binding/job.h"

#include <exception>
#include <new>
#include <utility>

#include "engine/error.h"

namespace dartsmith::binding {

namespace {

// Completions may outlive the instance data of a closing environment, so the environment itself is shared.
using Instance = std::shared_ptr<Environment>;

}  // namespace

void Environment::install(Napi::Env env) {
  auto instance = std::make_unique<Instance>(std::make_shared<Environment>());
  env.AddCleanupHook([](Instance* closing) { (*closing)->close(); }, instance.get());
  env.SetInstanceData(instance.release());
}

std::shared_ptr<Environment> Environment::of(Napi::Env env) {
  return *env.GetInstanceData<Instance>();
}

// An environment that closes (a worker thread that is terminated) must leave no thread that still calls into it, and no
// device alive for the sake of jobs that will never settle.
void Environment::close() {
  for (Job* job : jobs) job->cancel();
  for (Job* job : std::exchange(jobs, {})) delete job;
}

Job::Job(Napi::Env env, std::shared_ptr<Device> device, Work work)
    : device_(std::move(device)),
      environment_(Environment::of(env)),
      work_(std::move(work)),
      deferred_(Napi::Promise::Deferred::New(env)),
      completion_(Napi::ThreadSafeFunction::New(env, Napi::Function(), "dartsmith job", 0, 1)) {}

Napi::Object Job::start(Napi::Env env, std::shared_ptr<Device> device, Work work) {
  Device& runner = *device;
  // Owned by its completion, which runs on this thread: the last reference to a device is then never dropped on the
  // device's own thread.
  auto* job = new Job(env, std::move(device), std::move(work));
  job->environment_->jobs.insert(job);
  runner.worker.submit([job] { job->run(); });
  Napi::Object result = Napi::Object::New(env);
  result.Set("promise", job->deferred_.Promise());
  result.Set("cancel",
             Napi::Function::New(env, [cancelled = job->cancelled_](const Napi::CallbackInfo&) { *cancelled = true; }));
  return result;
}

void Job::run() {
  const auto finished = finished_;
  try {
    if (*cancelled_) throw Cancelled();
    settle_ = work_(*cancelled_);
  } catch (...) {
    // What is still queued works on memory that may be freed as soon as JavaScript hears of the failure.
    device_->backend->abandon();
    remember(std::current_exception());
  }
  Napi::ThreadSafeFunction completion = completion_;
  const napi_status status =
      completion.BlockingCall(this, [environment = environment_](Napi::Env env, Napi::Function, Job* job) {
        if (environment->jobs.erase(job) == 0) return;  // the environment closed and freed it
        const std::unique_ptr<Job> owned(job);
        job->settle(env);
      });
  if (status != napi_closing) completion.Release();  // a closing environment has released it
  *finished = true;
  finished->notify_all();
}

void Job::remember(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Cancelled& cancelled) {
    was_cancelled_ = true;
    error_ = cancelled.what();
  } catch (const std::bad_alloc&) {
    error_ = "[memory] out of memory: use a smaller batch";
  } catch (const std::exception& error) {
    error_ = error.what();
  } catch (...) {
    error_ = "[engine] failed for an unknown reason";
  }
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
