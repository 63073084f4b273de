// See peak.cc.
#pragma once
#include "cpu/simd.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

Peak measure_peak(Stream& stream);

}  // namespace dartsmith::cpu::DARTSMITH_ISA
