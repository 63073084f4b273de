// One run of a plan.
#pragma once
#include <atomic>

#include "engine/program.h"

namespace dartsmith {

// Queues the plan's kernels on the program's device; what the result holds has been waited for. Throws Cancelled
// between two kernels once `cancelled`.
PassResult execute(Program& program, const Plan& plan, const PassRequest& request, const Parameters& parameters,
                   const std::atomic<bool>& cancelled);

}  // namespace dartsmith
