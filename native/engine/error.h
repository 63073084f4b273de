// Errors of the engine: "[op] expected ... got ...". The binding turns them into rejected promises.
#pragma once
#include <cstddef>
#include <sstream>
#include <stdexcept>
#include <string>

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

template <typename... Parts>
[[noreturn]] void fail(const char* op, const Parts&... parts) {
  std::ostringstream text;
  text << '[' << op << "] ";
  (text << ... << parts);
  throw Error(text.str());
}

}  // namespace dartsmith
