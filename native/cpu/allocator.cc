#include "cpu/allocator.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "engine/error.h"

namespace dartsmith::cpu {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kHugePage = size_t{2} << 20;

size_t granule_of(size_t bytes) {
  return bytes >= kHugePage ? kHugePage : kLine;
}

std::string mebibytes(size_t bytes) {
  return std::to_string((bytes + (size_t{1} << 20) - 1) >> 20);
}

}  // namespace

void* Allocator::allocate(size_t bytes) {
  const size_t granule = granule_of(bytes), rounded = (bytes + granule - 1) / granule * granule;
  const std::lock_guard lock(mutex_);
  const bool fits = rounded >= bytes && (limit_ == 0 || rounded <= limit_ - held_);
  void* memory = fits ? std::aligned_alloc(granule, rounded) : nullptr;
  if (memory == nullptr) refuse(bytes);
#if defined(MADV_HUGEPAGE)
  if (granule == kHugePage) madvise(memory, rounded, MADV_HUGEPAGE);  // only a hint: fewer page faults
#endif
  used_.emplace(memory, rounded);
  held_ += rounded;
  return memory;
}

void Allocator::release(void* memory) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = used_.find(memory);
  if (found == used_.end()) return;
  held_ -= found->second;
  used_.erase(found);
  std::free(memory);
}

void Allocator::refuse(size_t bytes) const {
  std::string text = "cannot allocate " + mebibytes(bytes) + " MiB";
  if (limit_ == 0) throw OutOfMemory(text, 0);
  const size_t free = limit_ - held_;
  text += ": " + mebibytes(held_) + " of the limit of " + mebibytes(limit_) + " MiB are in use";
  // What one request could get: pieces are whole granules.
  throw OutOfMemory(text, free / granule_of(free) * granule_of(free));
}

size_t Allocator::give_back(void* memory, size_t bytes) {
#if defined(MADV_DONTNEED) && defined(__linux__)
  static const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t whole = bytes / page * page;
  if (bytes >= kHugePage && madvise(memory, whole, MADV_DONTNEED) == 0) return whole;
#endif
  return 0;
}

}  // namespace dartsmith::cpu
