// What each build of the kernel files offers to the backend.
#pragma once
#include "engine/kernel.h"
#include "engine/op.h"

namespace dartsmith::cpu {

// Addresses only: a table must not need code of its instruction set to be set up.
struct KernelTable {
  const OpKernels* ops[kOpCount];  // by Op; null for ops without kernels
  const Sweeps* sweeps;
  bool streams;  // whether they can write past the caches
};

}  // namespace dartsmith::cpu
