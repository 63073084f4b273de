// Memory between two zones of a known pattern that nobody may write, filled with NaN to begin with.
#pragma once
#include <cstddef>
#include <memory>

namespace dartsmith::simt {

class GuardedMemory {
 public:
  static constexpr size_t kZoneBytes = 256;
  // Kernels leave such zones between the parts of their shared memory as well.
  static constexpr unsigned char kZoneByte = 0xA5;
  // Four of them are a NaN, as float and as part of a double.
  static constexpr unsigned char kUnwrittenByte = 0xFF;

  // Memory of `bytes` with fresh zones.
  void reset(size_t bytes);
  std::byte* data() const { return memory_ == nullptr ? nullptr : memory_.get() + kZoneBytes; }
  size_t bytes() const { return bytes_; }
  bool intact() const;

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  std::unique_ptr<std::byte, Free> memory_;
  size_t bytes_ = 0;
  size_t room_ = 0;
};

// Whether `bytes` from `memory` are a zone's.
bool is_zone(const std::byte* memory, size_t bytes);
// Whether nobody wrote them since the memory was handed out.
bool is_unwritten(const std::byte* memory, size_t bytes);
void fill_zone(std::byte* memory, size_t bytes);

}  // namespace dartsmith::simt
