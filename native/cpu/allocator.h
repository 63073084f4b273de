// Memory of the CPU backend.
#pragma once
#include <cstddef>
#include <map>
#include <mutex>

namespace dartsmith::cpu {

class Allocator {
 public:
  // Holds at most `limit_bytes`; 0 for all that there is.
  explicit Allocator(size_t limit_bytes) : limit_(limit_bytes) {}

  // Memory aligned to 64 bytes, large ones to a huge page. Throws OutOfMemory.
  void* allocate(size_t bytes);
  void release(void* memory) noexcept;

  // Has the system take whole pages from the beginning of large memory, which are zeros when they are touched again:
  // what nobody ever touches, such as the momentum of a descent without one, then takes no room. Gives the bytes that
  // it took.
  static size_t give_back(void* memory, size_t bytes);

 private:
  [[noreturn]] void refuse(size_t bytes) const;

  const size_t limit_;
  std::mutex mutex_;
  std::map<void*, size_t> used_;
  size_t held_ = 0;
};

}  // namespace dartsmith::cpu
