#include "cuda/allocator.h"

#include <algorithm>
#include <string>

#include "engine/error.h"

namespace dartsmith::cuda {
namespace {

constexpr size_t kGranule = 256;
constexpr size_t kLargeGranule = size_t{2} << 20;

constexpr size_t kMebibyte = size_t{1} << 20;

std::string mebibytes(size_t bytes) {
  return std::to_string((bytes + kMebibyte - 1) / kMebibyte);
}

}  // namespace

Allocator::~Allocator() {
  cudaSetDevice(device_);
  for (const auto& [memory, bytes] : used_) cudaFree(memory);
  for (const auto& [bytes, memory] : spare_) cudaFree(memory);
}

size_t Allocator::rounded(size_t bytes) {
  const size_t granule = bytes > kLargeGranule ? kLargeGranule : kGranule;
  return (bytes + granule - 1) / granule * granule;
}

void* Allocator::allocate(size_t bytes) {
  const size_t wanted = rounded(bytes);
  if (wanted < bytes) refuse(bytes);
  const std::lock_guard lock(mutex_);
  check(cudaSetDevice(device_), "choosing the device");
  void* memory = reuse(wanted);
  if (memory != nullptr) return memory;
  if (limit_ > 0 && held_ + wanted > limit_) give_back_spare();
  if (limit_ > 0 && held_ + wanted > limit_) refuse(bytes);
  cudaError_t status = cudaMalloc(&memory, wanted);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    give_back_spare();
    status = cudaMalloc(&memory, wanted);
  }
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    refuse(bytes);
  }
  check(status, "allocating memory");
  held_ += wanted;
  used_.emplace(memory, wanted);
  return memory;
}

// The smallest spare piece that is large enough, unless most of it would be wasted.
void* Allocator::reuse(size_t bytes) {
  const auto found = spare_.lower_bound(bytes);
  if (found == spare_.end() || found->first > 2 * bytes) return nullptr;
  void* memory = found->second;
  used_.emplace(memory, found->first);
  spare_.erase(found);
  return memory;
}

void Allocator::give_back_spare() {
  for (const auto& [bytes, memory] : spare_) {
    cudaFree(memory);
    held_ -= bytes;
  }
  spare_.clear();
}

void Allocator::release(void* memory) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = used_.find(memory);
  if (found == used_.end()) return;
  spare_.emplace(found->second, memory);
  used_.erase(found);
}

size_t Allocator::free_bytes() {
  const std::lock_guard lock(mutex_);
  check(cudaSetDevice(device_), "choosing the device");
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "asking for free memory");
  return limit_ > 0 ? std::min(free, limit_ - std::min(limit_, held_)) : free;
}

void Allocator::refuse(size_t bytes) const {
  size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  std::string text = "cannot allocate " + mebibytes(bytes) + " MiB: ";
  if (limit_ > 0) {
    free = std::min(free, limit_ - std::min(limit_, held_));
    text += mebibytes(held_) + " of the limit of " + mebibytes(limit_) + " MiB are in use";
  } else {
    text += std::to_string(free / kMebibyte) + " of " + mebibytes(total) + " MiB are free on the GPU";
  }
  // What one request could get: pieces are whole granules.
  const size_t granule = free > kLargeGranule ? kLargeGranule : kGranule;
  throw OutOfMemory(text, free / granule * granule);
}

}  // namespace dartsmith::cuda
