// The entry point of the stand-in for CUDA: the addon's own, and what its counting device was asked to do.
#include <dlfcn.h>

#include "binding/device.h"
#include "binding/job.h"
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
    result.Set(result.Length(), entry);
  }
  return result;
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  dartsmith::binding::Environment::install(env);
  dartsmith::binding::export_device_functions(env, exports);
  exports.Set("takeTrace", Napi::Function::New<take_trace>(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(simt, initialise)
