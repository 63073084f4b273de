// Errors of the engine: "[op] expected ... got ...". The binding turns them into rejected promises.
#pragma once
#include <cstddef>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace dartsmith {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Thrown between two kernels once a job was cancelled.
struct Cancelled : Error {
  Cancelled() : Error("stopped by the AbortSignal") {}
};

// Thrown where a device lacks memory; `free_bytes` could be had.
struct OutOfMemory : Error {
  OutOfMemory(const std::string& message, size_t free_bytes) : Error("[memory] " + message), free_bytes(free_bytes) {}
  size_t free_bytes;
};

// Appends a part of a message. Not by a stream, whose header every file would wait for.
template <typename Part>
void append_text(std::string& text, const Part& part) {
  if constexpr (std::is_convertible_v<const Part&, std::string_view>) {
    text += std::string_view(part);
  } else if constexpr (std::is_floating_point_v<Part>) {
    char digits[32];
    std::snprintf(digits, sizeof(digits), "%g", static_cast<double>(part));
    text += digits;
  } else {
    text += std::to_string(part);
  }
}

template <typename... Parts>
[[noreturn]] void fail(const char* op, const Parts&... parts) {
  std::string text = "[";
  text.append(op).append("] ");
  (append_text(text, parts), ...);
  throw Error(text);
}

}  // namespace dartsmith
