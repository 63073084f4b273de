// How kernels go about memory that no cache holds. Which way is fastest differs from machine to machine; none changes a
// bit of what is computed. No std templates: see engine/kernel.h.
#pragma once
#include <cstdint>

namespace dartsmith::cpu {

struct Tuning {
  const char* name;   // what it is called where it is kept
  bool streams;       // whether what nobody reads soon is written past the caches
  int fetch_level;    // the cache that is fetched into: 1 or 2
  int products_log2;  // of the vectors that are multiplied while a line is fetched: a shift, which costs loops no
                      // register
};

// The first ones write past the caches, which not every build of the kernels can.
inline constexpr Tuning kTunings[] = {
    {"streamed/l1/4", true, 1, 2}, {"streamed/l2/4", true, 2, 2}, {"streamed/l2/32", true, 2, 5},
    {"cached/l1/4", false, 1, 2},  {"cached/l2/4", false, 2, 2},  {"cached/l2/32", false, 2, 5},
};
inline constexpr int kTuningCount = sizeof(kTunings) / sizeof(kTunings[0]), kStreamedTunings = 3;

}  // namespace dartsmith::cpu
