// What the device that only counts was asked to do, in order.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace dartsmith::simt {

struct Traced {
  // A copy is one within the device; a wait is the host's, for a stream.
  enum class Kind { kKernel, kCopy, kClear, kWait } kind;
  const void* symbol = nullptr;  // the kernel function
  int64_t blocks = 0;
  bool cooperative = false;
  size_t bytes = 0;  // of a kernel: its dynamic shared memory
};

// Since the last call; empties the list. From any thread.
std::vector<Traced> take_trace(int device);

}  // namespace dartsmith::simt
