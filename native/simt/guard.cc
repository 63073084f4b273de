#include "simt/guard.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace dartsmith::simt {

void GuardedMemory::Free::operator()(std::byte* memory) const {
  std::free(memory);
}

void GuardedMemory::reset(size_t bytes) {
  const size_t room = (bytes + 2 * kZoneBytes + kZoneBytes - 1) / kZoneBytes * kZoneBytes;
  if (room < bytes) throw std::bad_alloc();
  if (room > room_) {
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kZoneBytes, room)));
    if (memory_ == nullptr) throw std::bad_alloc();
    room_ = room;
  }
  bytes_ = bytes;
  fill_zone(memory_.get(), kZoneBytes);
  std::memset(data(), kUnwrittenByte, bytes);
  fill_zone(data() + bytes, kZoneBytes);
}

bool GuardedMemory::intact() const {
  return memory_ == nullptr || (is_zone(memory_.get(), kZoneBytes) && is_zone(data() + bytes_, kZoneBytes));
}

namespace {

bool all_are(const std::byte* memory, size_t bytes, unsigned char value) {
  return std::all_of(memory, memory + bytes, [=](std::byte b) { return b == std::byte{value}; });
}

}  // namespace

bool is_zone(const std::byte* memory, size_t bytes) {
  return all_are(memory, bytes, GuardedMemory::kZoneByte);
}

bool is_unwritten(const std::byte* memory, size_t bytes) {
  return all_are(memory, bytes, GuardedMemory::kUnwrittenByte);
}

void fill_zone(std::byte* memory, size_t bytes) {
  std::memset(memory, GuardedMemory::kZoneByte, bytes);
}

}  // namespace dartsmith::simt
