// What each kernel of a pass cost: measured seconds beside counted work.
#pragma once
#include <cstdint>

#include "engine/plan.h"

namespace dartsmith {

struct KernelProfile {
  Op op;
  bool backward;
  double seconds;
  // Multiplications and additions of the gradients that were asked for; what a kernel recomputes does not count.
  int64_t flops;
  // Each tensor that the kernel must read or write, once.
  int64_t bytes;
};

// The counted part of the profile of nodes that ran as one step; `seconds` is left 0.
KernelProfile count_work(const Plan& plan, const std::vector<int>& ids, bool backward, int64_t batch);

}  // namespace dartsmith
