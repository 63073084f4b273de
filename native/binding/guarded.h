// Functions for JavaScript whose engine errors become JavaScript ones.
#pragma once
#include <new>
#include <string>
#include <system_error>

#include "binding/node.h"
#include "engine/error.h"

namespace dartsmith::binding {

template <Napi::Value (*function)(const Napi::CallbackInfo&)>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  try {
    return function(info);
  } catch (const Error& error) {
    throw Napi::Error::New(info.Env(), error.what());
  } catch (const std::bad_alloc&) {
    throw Napi::Error::New(info.Env(), "[memory] out of memory");
  } catch (const std::system_error& error) {
    throw Napi::Error::New(info.Env(), std::string("[threads] cannot start a thread: ") + error.what());
  }
}

}  // namespace dartsmith::binding
