// Errors of the engine. The binding turns them into rejected promises.
#pragma once
#include <cstddef>
#include <stdexcept>
#include <string>

#include "engine/fail.h"

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

}  // namespace dartsmith
