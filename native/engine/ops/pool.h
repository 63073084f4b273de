// What maxPool, avgPool and pooledMoments have in common.
#pragma once
#include "engine/ops/descriptor.h"

namespace dartsmith {

Shape pooled_shape(const NodeCheck& check);

// Of one pass over the windows of the value, `pool` being theirs.
Work pooling_work(const WorkSizes& sizes, const PoolAttributes& pool);

}  // namespace dartsmith
