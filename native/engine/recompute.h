// How little backward finds kept.
#pragma once

namespace dartsmith {

// What backward computes again instead of keeping it, to the same bits, of what sums normalise: nothing; what single
// separables leave, which read a state themselves; or second halves of pairs as well.
enum class Recompute { kNone, kSingle, kAll };

}  // namespace dartsmith
