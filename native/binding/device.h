// Functions of devices and of what they hold.
#pragma once
#include <memory>

#include "binding/node.h"
#include "engine/backend.h"

namespace dartsmith::binding {

// As `openDevice` of JavaScript: { backend: 'cpu', threads, instructionSet } or { backend: 'cuda', index,
// memoryLimitBytes }.
std::shared_ptr<Backend> open_backend(const Napi::Object& options);

void export_device_functions(Napi::Env env, Napi::Object exports);

}  // namespace dartsmith::binding
