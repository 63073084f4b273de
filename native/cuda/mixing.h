// Mixing weights from architecture parameters and back, a row at a time, and penalties on those parameters; see Sweeps
// in engine/kernel.h.
#pragma once
#include "engine/kernel.h"

namespace dartsmith::cuda {

void mixing_forward(Stream& stream, const MixingRow* rows, int64_t count, const float* alpha, float* mixing);
void mixing_backward(Stream& stream, const MixingRow* rows, int64_t count, const float* mixing,
                     const double* mixing_gradients, float* alpha_gradients);
void penalty(Stream& stream, const PenaltyCall& call);

}  // namespace dartsmith::cuda
