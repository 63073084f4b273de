// Numbers that no two objects of a process share, where addresses may come again.
#pragma once
#include <atomic>
#include <cstdint>

namespace dartsmith {

inline uint64_t next_serial() {
  static std::atomic<uint64_t> last = 0;
  return ++last;
}

}  // namespace dartsmith
