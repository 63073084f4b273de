// bfloat16 on the host.
#pragma once
#include <bit>

#include "engine/kernel.h"

namespace dartsmith {

// To the nearest, halves to even; NaN stays NaN.
inline Bfloat16 to_bfloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<uint16_t>((bits >> 16) | 0x40u)};
  return {static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
}

inline float from_bfloat16(Bfloat16 value) {
  return std::bit_cast<float>(uint32_t{value.bits} << 16);
}

}  // namespace dartsmith
