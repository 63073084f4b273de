// Batches from uint8 images; see GatherCall in engine/kernel.h.
#pragma once
#include "cpu/simd.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

void gather(Stream& stream, const GatherCall& call);

}  // namespace dartsmith::cpu::DARTSMITH_ISA
