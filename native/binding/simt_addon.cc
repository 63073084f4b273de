// The entry point of the stand-in for CUDA: the addon's own, what its counting device was asked to do, kernels with
// planted bugs, and backends that fail when they are told to.
#include <dlfcn.h>

#include "binding/device.h"
#include "binding/guarded.h"
#include "binding/handle.h"
#include "binding/job.h"
#include "simt/failing.h"
#include "simt/planted.h"
#include "simt/trace.h"

namespace {

namespace binding = dartsmith::binding;
using dartsmith::simt::FailingBackend;
using dartsmith::simt::Traced;

// Where a function lies in this addon's file, as `nm` prints it.
double place(const void* symbol) {
  Dl_info info{};
  if (symbol == nullptr || dladdr(symbol, &info) == 0) return 0;
  return static_cast<double>(static_cast<const char*>(symbol) - static_cast<const char*>(info.dli_fbase));
}

Napi::Value take_trace(const Napi::CallbackInfo& info) {
  constexpr const char* kKinds[] = {"kernel", "copy", "clear", "wait"};
  Napi::Array result = Napi::Array::New(info.Env());
  for (const Traced& traced : dartsmith::simt::take_trace(binding::small_integer(info[0], "device"))) {
    Napi::Object entry = Napi::Object::New(info.Env());
    entry.Set("kind", kKinds[static_cast<int>(traced.kind)]);
    entry.Set("place", place(traced.symbol));
    entry.Set("blocks", static_cast<double>(traced.blocks));
    entry.Set("cooperative", traced.cooperative);
    entry.Set("bytes", static_cast<double>(traced.bytes));
    result.Set(result.Length(), entry);
  }
  return result;
}

Napi::Value run_planted(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) binding::reject(info.Env(), "expected the name of a bug");
  const std::string bug = info[0].As<Napi::String>();
  return binding::new_array(info.Env(), dartsmith::simt::run_planted(bug, binding::small_integer(info[1], "device")));
}

// A device of a backend whose calls can be made to fail.
Napi::Value open_failing(const Napi::CallbackInfo& info) {
  auto backend = std::make_shared<FailingBackend>(binding::open_backend(binding::object(info[0], "options")));
  return binding::new_handle(info.Env(), std::make_shared<dartsmith::Device>(std::move(backend)), 0);
}

Napi::Value fail_at(const Napi::CallbackInfo& info) {
  const auto device = binding::from_handle<dartsmith::Device>(info[0]);
  auto* failing = dynamic_cast<FailingBackend*>(device->backend.get());
  if (failing == nullptr) binding::reject(info.Env(), "expected a device that openFailing opened");
  const int64_t first = binding::integer(info[1], "first"), times = binding::integer(info[2], "times");
  return Napi::Number::New(info.Env(), static_cast<double>(failing->fail_at(first, times)));
}

Napi::Value run_failing_tasks(const Napi::CallbackInfo& info) {
  const int threads = binding::small_integer(info[0], "threads");
  return Napi::Number::New(info.Env(), dartsmith::simt::run_failing_tasks(threads));
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  binding::Environment::install(env);
  binding::export_device_functions(env, exports);
  exports.Set("takeTrace", Napi::Function::New<take_trace>(env));
  exports.Set("runPlanted", Napi::Function::New<binding::guarded<run_planted>>(env));
  exports.Set("openFailing", Napi::Function::New<binding::guarded<open_failing>>(env));
  exports.Set("runFailingTasks", Napi::Function::New<binding::guarded<run_failing_tasks>>(env));
  exports.Set("failAt", Napi::Function::New<fail_at>(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(simt, initialise)
