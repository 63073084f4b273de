// The one door to Node-API: every binding file includes this, nothing else in native/ does.
#pragma once
#include <napi.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace dartsmith::binding {

// Checked reads of what TypeScript hands over. TypeScript has validated users' values already; these guard the border
// against anything else, so that no input can crash the process. All throw Napi::Error.
[[noreturn]] inline void reject(Napi::Env env, const std::string& message) {
  throw Napi::TypeError::New(env, message);
}

inline double number(const Napi::Value& value, const char* name) {
  if (!value.IsNumber()) reject(value.Env(), std::string("expected a number for ") + name);
  return value.As<Napi::Number>().DoubleValue();
}

inline double number(const Napi::Object& object, const char* name) {
  return number(object.Get(name), name);
}

inline int64_t checked_integer(Napi::Env env, double value, const char* name) {
  if (!(std::abs(value) <= 9007199254740991.0) || value != std::floor(value)) {
    reject(env, std::string("expected an integer for ") + name);
  }
  return static_cast<int64_t>(value);
}

// One that fits an int.
inline int checked_small_integer(Napi::Env env, double value, const char* name) {
  const int64_t result = checked_integer(env, value, name);
  if (result < INT32_MIN || result > INT32_MAX) reject(env, std::string("expected a small integer for ") + name);
  return static_cast<int>(result);
}

inline int64_t integer(const Napi::Value& value, const char* name) {
  return checked_integer(value.Env(), number(value, name), name);
}

inline int64_t integer(const Napi::Object& object, const char* name) {
  return integer(object.Get(name), name);
}

inline int small_integer(const Napi::Value& value, const char* name) {
  return checked_small_integer(value.Env(), number(value, name), name);
}

inline bool boolean(const Napi::Object& object, const char* name) {
  return object.Get(name).ToBoolean();
}

inline std::string text(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsString()) reject(object.Env(), std::string("expected a string for ") + name);
  return value.As<Napi::String>();
}

inline Napi::Object object(const Napi::Value& value, const char* name) {
  if (!value.IsObject()) reject(value.Env(), std::string("expected an object for ") + name);
  return value.As<Napi::Object>();
}

inline Napi::Array array(const Napi::Value& value, const char* name) {
  if (!value.IsArray()) reject(value.Env(), std::string("expected an array for ") + name);
  return value.As<Napi::Array>();
}

template <typename T>
struct TypedArrayOf;
template <>
struct TypedArrayOf<float> {
  static constexpr napi_typedarray_type type = napi_float32_array;
};
template <>
struct TypedArrayOf<double> {
  static constexpr napi_typedarray_type type = napi_float64_array;
};
template <>
struct TypedArrayOf<uint8_t> {
  static constexpr napi_typedarray_type type = napi_uint8_array;
};
template <>
struct TypedArrayOf<int32_t> {
  static constexpr napi_typedarray_type type = napi_int32_array;
};
template <>
struct TypedArrayOf<uint32_t> {
  static constexpr napi_typedarray_type type = napi_uint32_array;
};

template <typename T>
Napi::TypedArrayOf<T> typed_array(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != TypedArrayOf<T>::type) {
    reject(value.Env(), std::string("expected a typed array of another type for ") + name);
  }
  return value.As<Napi::TypedArrayOf<T>>();
}

template <typename T>
std::vector<T> copy_array(const Napi::Value& value, const char* name) {
  const auto typed = typed_array<T>(value, name);
  return {typed.Data(), typed.Data() + typed.ElementLength()};
}

inline std::vector<int> integers(const Napi::Value& value, const char* name) {
  std::vector<int> result;
  if (value.IsUndefined()) return result;
  const Napi::Array list = array(value, name);
  for (uint32_t i = 0; i < list.Length(); ++i) result.push_back(small_integer(list.Get(i), name));
  return result;
}

template <typename T>
Napi::Value new_array(Napi::Env env, const std::vector<T>& values) {
  auto result = Napi::TypedArrayOf<T>::New(env, values.size());
  std::copy(values.begin(), values.end(), result.Data());
  return result;
}

// Gives the values to JavaScript as they lie: copying the arenas of a large network would block the event loop. Small
// ones, and those of a runtime that takes no memory of others, are copied.
inline Napi::Value hand_over(Napi::Env env, std::vector<float>&& values) {
  constexpr size_t kWorthIt = size_t{1} << 16;
  if (values.size() < kWorthIt) return new_array(env, values);
  auto owned = std::make_unique<std::vector<float>>(std::move(values));
  const auto finalize = [](napi_env, void*, void* hint) { delete static_cast<std::vector<float>*>(hint); };
  napi_value buffer = nullptr;
  const napi_status status = napi_create_external_arraybuffer(env, owned->data(), owned->size() * sizeof(float),
                                                              finalize, owned.get(), &buffer);
  if (status != napi_ok) return new_array(env, *owned);
  const size_t count = owned->size();
  owned.release();  // NOLINT: the finaliser owns it now
  return Napi::Float32Array::New(env, count, Napi::ArrayBuffer(env, buffer), 0);
}

}  // namespace dartsmith::binding
