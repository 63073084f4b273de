// Partial sums of weight gradients, added up.
#pragma once
#include <vector>

#include "cuda/stream.h"
#include "cuda/task.cuh"

namespace dartsmith::cuda::sliding {

// target[element] = sum over pieces of partials[piece, element]
struct WeightSum {
  const float* partials;
  float* target;
  int64_t pieces, elements;
  Index first_block = 0;  // of a launch
};

void add_weight_sums(CudaStream& stream, const std::vector<WeightSum>& sums);

}  // namespace dartsmith::cuda::sliding
