// Batches from uint8 images; see GatherCall in engine/kernel.h.
#pragma once
#include "engine/kernel.h"

namespace dartsmith::cuda {

void gather(Stream& stream, const GatherCall& call);

}  // namespace dartsmith::cuda
