// The kernels of one instruction set: one table a namespace, and what its files put into it.
#pragma once
#include "cpu/kernel_table.h"
#include "cpu/simd.h"

namespace dartsmith::cpu {

namespace DARTSMITH_ISA {

extern const KernelTable kernel_table;

// Hidden, so that the linker misses what no file defines.
#define DARTSMITH_DECLARED(op, name) [[gnu::visibility("hidden")]] extern const OpKernels name##_kernels;
#define DARTSMITH_NONE(op, name)
DARTSMITH_OPS(DARTSMITH_DECLARED, DARTSMITH_NONE)
#undef DARTSMITH_DECLARED
#undef DARTSMITH_NONE
extern const Sweeps sweep_kernels;

}  // namespace DARTSMITH_ISA
}  // namespace dartsmith::cpu
