// Drop path inside of other kernels.
#pragma once
#include "cpu/simd.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

// What a node that drops whole samples multiplies this one by: 0 where it drops it. 1 without a node.
float sample_factor(const KernelCall& call, const DropoutAttributes* dropout, int64_t sample);

}  // namespace dartsmith::cpu::DARTSMITH_ISA
