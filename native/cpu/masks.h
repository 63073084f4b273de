// Masks that stay the same over a sequence.
#pragma once
#include "cpu/kernels.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

void draw_mask(Stream& stream, float* mask, int64_t count, const MaskAttributes& attributes,
               const DropoutSettings* settings);

}  // namespace dartsmith::cpu::DARTSMITH_ISA
