// Penalties on architecture parameters; see Sweeps in engine/kernel.h.
#pragma once
#include "engine/kernel.h"

namespace dartsmith::cuda {

void penalty(Stream& stream, const PenaltyCall& call);

}  // namespace dartsmith::cuda
