// Copies to shared memory that happen when a thread waits for them, no sooner: what is read before is not there yet.
#pragma once
#include <cuda_runtime.h>

inline void __pipeline_memcpy_async(void* shared, const void* from, size_t bytes) {
  ::dartsmith::simt::copy_later(shared, from, bytes);
}
inline void __pipeline_commit() {
  ::dartsmith::simt::commit_copies();
}
inline void __pipeline_wait_prior(size_t under_way) {
  ::dartsmith::simt::wait_for_copies(under_way);
}
