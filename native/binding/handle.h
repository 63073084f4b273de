// JavaScript objects that own an engine object: tagged, so that a wrong one is refused, and closable before collection.
#pragma once
#include <memory>

#include "binding/node.h"
#include "engine/dataset.h"
#include "engine/device.h"
#include "engine/parameters.h"
#include "engine/program.h"

namespace dartsmith::binding {

// Parameters are used through the thread of the device that holds them.
struct DeviceParameters {
  std::shared_ptr<Device> device;
  std::shared_ptr<Parameters> parameters;
};

struct DeviceDataset {
  std::shared_ptr<Device> device;
  std::shared_ptr<Dataset> dataset;
};

template <typename T>
struct Kind;
template <>
struct Kind<Device> {
  static const Device& device(const Device& value) { return value; }
  static constexpr const char* name = "device";
  static constexpr napi_type_tag tag = {0x6461727473d34b1e, 0x9a3f5c2e7b104d01};
};
template <>
struct Kind<DeviceParameters> {
  static const Device& device(const DeviceParameters& value) { return *value.device; }
  static constexpr const char* name = "parameters";
  static constexpr napi_type_tag tag = {0x6461727473d34b1e, 0x9a3f5c2e7b104d02};
};
template <>
struct Kind<DeviceDataset> {
  static const Device& device(const DeviceDataset& value) { return *value.device; }
  static constexpr const char* name = "dataset";
  static constexpr napi_type_tag tag = {0x6461727473d34b1e, 0x9a3f5c2e7b104d03};
};
template <>
struct Kind<Program> {
  static const Device& device(const Program& value) { return value.device(); }
  static constexpr const char* name = "program";
  static constexpr napi_type_tag tag = {0x6461727473d34b1e, 0x9a3f5c2e7b104d04};
};

// What a handle holds; `bytes` is what V8 was told about, so that collections come in time.
template <typename T>
struct Held {
  std::shared_ptr<T> value;
  int64_t bytes = 0;

  void close(Napi::Env env) {
    value.reset();
    Napi::MemoryManagement::AdjustExternalMemory(env, -bytes);
    bytes = 0;
  }
};

inline void expect(napi_env env, napi_status status) {
  if (status != napi_ok) throw Napi::Error::New(env);
}

template <typename T>
Napi::Object new_handle(Napi::Env env, std::shared_ptr<T> value, int64_t bytes) {
  Napi::Object handle = Napi::Object::New(env);
  expect(env, napi_type_tag_object(env, handle, &Kind<T>::tag));
  auto held = std::make_unique<Held<T>>(Held<T>{std::move(value), bytes});
  const auto finalize = [](napi_env finalize_env, void* data, void*) {
    std::unique_ptr<Held<T>> owned(static_cast<Held<T>*>(data));
    owned->close(finalize_env);
  };
  expect(env, napi_wrap(env, handle, held.get(), finalize, nullptr, nullptr));
  held.release();  // NOLINT: the finaliser owns it now
  Napi::MemoryManagement::AdjustExternalMemory(env, bytes);
  return handle;
}

template <typename T>
Held<T>* held_by(const Napi::Value& value) {
  bool tagged = false;
  if (value.IsObject()) napi_check_object_type_tag(value.Env(), value, &Kind<T>::tag, &tagged);
  void* data = nullptr;
  if (!tagged || napi_unwrap(value.Env(), value, &data) != napi_ok) {
    reject(value.Env(), std::string("expected a ") + Kind<T>::name + " handle");
  }
  return static_cast<Held<T>*>(data);
}

template <typename T>
std::shared_ptr<T> from_handle(const Napi::Value& value) {
  std::shared_ptr<T> result = held_by<T>(value)->value;
  if (result == nullptr) reject(value.Env(), std::string("the ") + Kind<T>::name + " was disposed of");
  if (Kind<T>::device(*result).closed) reject(value.Env(), "the device was disposed of");
  return result;
}

// What commands to `device` may name: its own objects only, since each device has its own thread.
template <typename T>
std::shared_ptr<T> from_handle_of(const Device& device, const Napi::Value& value) {
  std::shared_ptr<T> result = from_handle<T>(value);
  if (&Kind<T>::device(*result) != &device)
    reject(value.Env(), std::string("expected a ") + Kind<T>::name + " of this device");
  return result;
}

template <typename T>
Napi::Value dispose(const Napi::CallbackInfo& info) {
  held_by<T>(info[0])->close(info.Env());
  return info.Env().Undefined();
}

}  // namespace dartsmith::binding
