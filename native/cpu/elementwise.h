// One pass over memory, for ops an element of which follows from those at its place.
#pragma once
#include "cpu/simd.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

// target (=|+=) value(i, lanes) over [0, count), in vectors.
template <typename Value>
void map_elements(Stream& stream, int64_t count, float* target, GradientMode mode, const Value& value) {
  if (mode == GradientMode::kIgnore) return;
  parallel_ranges(stream, count, kElementGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += kLanes) {
      const Lanes lanes(end - i);
      Vec result = value(i, lanes);
      if (mode == GradientMode::kAccumulate) result += load_first(target + i, lanes);
      store_first(target + i, result, lanes);
    }
  });
}

}  // namespace dartsmith::cpu::DARTSMITH_ISA
