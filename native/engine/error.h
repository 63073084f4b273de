// Errors of the engine: "[op] expected ... got ...". The binding turns them into rejected promises.
#pragma once
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

template <typename... Parts>
[[noreturn]] void fail(const char* op, const Parts&... parts) {
  std::ostringstream text;
  text << '[' << op << "] ";
  (text << ... << parts);
  throw Error(text.str());
}

}  // namespace dartsmith
