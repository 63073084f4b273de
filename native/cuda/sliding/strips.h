// How long the strips are that warps slide down.
#pragma once
#include <cstdint>

namespace dartsmith::cuda::sliding {

inline constexpr int kStripRows[] = {32, 16, 8, 4};
inline constexpr int64_t kEnoughUnits = 2000;  // of a launch: warps that keep a large GPU busy

// The longest strips that still make enough of a launch's units: units(rows) of them. Follows from sizes alone.
template <typename Units>
int strip_rows(const Units& units) {
  int rows = 0;
  for (const int tried : kStripRows) {
    rows = tried;
    if (units(rows) >= kEnoughUnits) break;
  }
  return rows;
}

}  // namespace dartsmith::cuda::sliding
