// The addon's entry point; context-aware, all state per environment.
#include "binding/device.h"
#include "binding/job.h"

namespace {

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  dartsmith::binding::Environment::install(env);
  dartsmith::binding::export_device_functions(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(dartsmith, initialise)
