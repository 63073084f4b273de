// How little backward finds kept.
#pragma once

namespace dartsmith {

// What backward computes again instead of keeping it, to the same bits: nothing; what sums normalise of separables that
// read a state themselves; or of all separables, the second halves of pairs among them.
enum class Recompute { kNone, kSingle, kAll };

}  // namespace dartsmith
