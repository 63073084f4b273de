// The type that tensor cores take bfloat16 in.
#pragma once
#include <cstdint>

struct __nv_bfloat16 {
  uint16_t bits;
};
