// Penalties on architecture parameters; see Sweeps in engine/kernel.h.
#pragma once
#include "cpu/simd.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

void penalty(Stream& stream, const PenaltyCall& call);

}  // namespace dartsmith::cpu::DARTSMITH_ISA
