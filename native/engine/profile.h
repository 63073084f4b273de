// What each kernel of a pass cost: measured seconds beside counted work.
#pragma once
#include <cstdint>

#include "engine/plan.h"

namespace dartsmith {

struct KernelProfile {
  Op op;
  bool backward;
  double seconds = 0;
  // Multiplications and additions of the gradients that were asked for; what a kernel recomputes does not count.
  int64_t flops = 0;
  // Of those, what products of matrices take: the part that tensor cores may do.
  int64_t product_flops = 0;
  // Each tensor that the kernel must read or write, once.
  int64_t bytes = 0;
  // Scratch memory, which a kernel writes and reads once more than those.
  int64_t workspace_bytes = 0;

  // More work of the same kernel.
  KernelProfile& operator+=(const KernelProfile& other) {
    seconds += other.seconds;
    flops += other.flops;
    product_flops += other.product_flops;
    bytes += other.bytes;
    workspace_bytes += other.workspace_bytes;
    return *this;
  }
};

// The counted part of the profile of nodes that ran as one step; `seconds` and `workspace_bytes` are left 0.
KernelProfile count_work(const Plan& plan, const std::vector<int>& ids, bool backward, int64_t batch);

}  // namespace dartsmith
