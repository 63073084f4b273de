// The tables that the kernel files fill.
#pragma once
#include "engine/kernel.h"
#include "engine/op.h"

namespace dartsmith::cuda {

// Hidden, so that the linker misses what no file defines.
#define DARTSMITH_DECLARED(op, name) [[gnu::visibility("hidden")]] extern const OpKernels name##_kernels;
#define DARTSMITH_NONE(op, name)
DARTSMITH_OPS(DARTSMITH_DECLARED, DARTSMITH_NONE)
#undef DARTSMITH_DECLARED
#undef DARTSMITH_NONE
extern const Sweeps sweep_kernels;

}  // namespace dartsmith::cuda
