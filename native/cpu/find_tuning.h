// Which tuning is the fastest here.
#pragma once
#include <atomic>

#include "cpu/thread_pool.h"

namespace dartsmith::cpu {

// The one of kTunings from `first` on with which passes of separables over memory that no cache holds take the least
// time here; -1 where the machine does too much else to tell. Leaves the pool with any of them. Takes a second. Throws
// Cancelled.
int find_tuning(ThreadPool& pool, const OpKernels& separables, int first, const std::atomic<bool>& cancelled);

}  // namespace dartsmith::cpu
