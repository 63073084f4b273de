// Masks that stay the same over a sequence.
#pragma once
#include "engine/kernel.h"

namespace dartsmith::cuda {

void draw_mask(Stream& stream, float* mask, int64_t count, const MaskAttributes& attributes,
               const DropoutSettings* settings);

}  // namespace dartsmith::cuda
