// How kernels go about memory that no cache holds. Which way is fastest differs from machine to machine; none changes a
// bit of what is computed. No std templates: see engine/kernel.h.
#pragma once
#include <cstdint>

#include "engine/kernel.h"

namespace dartsmith::cpu {

class ThreadPool;

struct Tuning {
  const char* name;     // what it is called where it is kept
  bool streams;         // whether what nobody reads soon is written past the caches
  int fetch_level;      // the cache that is fetched into: 1 or 2
  int products_a_line;  // vectors that are multiplied while a line is fetched, as a power of 2
};

// The first ones write past the caches, which not every build of the kernels can.
inline constexpr Tuning kTunings[] = {
    {"streamed/l1/4", true, 1, 2}, {"streamed/l2/4", true, 2, 2}, {"streamed/l2/32", true, 2, 5},
    {"cached/l1/4", false, 1, 2},  {"cached/l2/4", false, 2, 2},  {"cached/l2/32", false, 2, 5},
};
inline constexpr int kTuningCount = sizeof(kTunings) / sizeof(kTunings[0]), kStreamedTunings = 3;

// The one of kTunings from `first` on with which passes of separables over memory that no cache holds take the least
// time here, which the pool then keeps to; -1 and the first where the machine does too much else to tell. Takes a
// second.
int find_tuning(ThreadPool& pool, const OpKernels& separables, int first);

}  // namespace dartsmith::cpu
