// Device memory that is kept for the next who asks: asking the driver takes a thousand times as long, and waits.
#pragma once
#include <cuda_runtime.h>

#include <map>
#include <mutex>

#include "cuda/error.h"

namespace dartsmith::cuda {

class Allocator {
 public:
  // Holds at most `limit_bytes`; 0 for all that the device has.
  Allocator(int device, size_t limit_bytes) : device_(device), limit_(limit_bytes) {}
  ~Allocator();
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;

  // Memory aligned to 256 bytes. Throws OutOfMemory.
  void* allocate(size_t bytes);
  void release(void* memory) noexcept;
  // What could still be had, spare pieces left out.
  size_t free_bytes();

 private:
  static size_t rounded(size_t bytes);
  void* reuse(size_t bytes);
  void give_back_spare();
  [[noreturn]] void refuse(size_t bytes) const;

  const int device_;
  const size_t limit_;
  std::mutex mutex_;
  std::map<void*, size_t> used_;
  std::multimap<size_t, void*> spare_;
  size_t held_ = 0;  // used and spare
};

}  // namespace dartsmith::cuda
