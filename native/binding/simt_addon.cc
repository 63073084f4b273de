// The entry point of the stand-in for CUDA: the addon's own, what its counting device was asked to do, and kernels with
// planted bugs.
#include <dlfcn.h>

#include "binding/device.h"
#include "binding/job.h"
#include "engine/error.h"
#include "simt/planted.h"
#include "simt/trace.h"

namespace {

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
  for (const Traced& traced : dartsmith::simt::take_trace(dartsmith::binding::small_integer(info[0], "device"))) {
    Napi::Object entry = Napi::Object::New(info.Env());
    entry.Set("kind", kKinds[static_cast<int>(traced.kind)]);
    entry.Set("place", place(traced.symbol));
    entry.Set("blocks", static_cast<double>(traced.blocks));
    entry.Set("cooperative", traced.cooperative);
    entry.Set("bytes", static_cast<double>(traced.bytes));
    entry.Set("parts", static_cast<double>(traced.parts));
    result.Set(result.Length(), entry);
  }
  return result;
}

Napi::Value run_planted(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) dartsmith::binding::reject(info.Env(), "expected the name of a bug");
  try {
    const std::string bug = info[0].As<Napi::String>();
    const int device = dartsmith::binding::small_integer(info[1], "device");
    return dartsmith::binding::new_array(info.Env(), dartsmith::simt::run_planted(bug, device));
  } catch (const dartsmith::Error& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  dartsmith::binding::Environment::install(env);
  dartsmith::binding::export_device_functions(env, exports);
  exports.Set("takeTrace", Napi::Function::New<take_trace>(env));
  exports.Set("runPlanted", Napi::Function::New<run_planted>(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(simt, initialise)
