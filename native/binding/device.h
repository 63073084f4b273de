// Functions of devices and of what they hold.
#pragma once
#include "binding/node.h"

namespace dartsmith::binding {

void export_device_functions(Napi::Env env, Napi::Object exports);

}  // namespace dartsmith::binding
