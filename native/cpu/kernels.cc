#include "cpu/kernels.h"

#include "cpu/traffic.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

#define DARTSMITH_ENTRY(op, name) &name##_kernels,
#define DARTSMITH_NONE(op, name) nullptr,
constinit const KernelTable kernel_table = {
    .ops = {DARTSMITH_OPS(DARTSMITH_ENTRY, DARTSMITH_NONE)},
    .sweeps = &sweep_kernels,
    .streams = kStreams,
};
#undef DARTSMITH_ENTRY
#undef DARTSMITH_NONE

}  // namespace dartsmith::cpu::DARTSMITH_ISA
