// Drop path where a kernel takes it along: whole samples of a tensor that nobody stored apart.
#pragma once
#include "cuda/task.cuh"
#include "engine/dropout.h"

namespace dartsmith::cuda {

// Of one tensor; without settings nothing is dropped.
struct SampleDropout {
  const DropoutSettings* settings = nullptr;
  float rate = 0;
  uint32_t number = 0;

  __device__ __forceinline__ float factor(Index sample) const {
    return settings == nullptr ? 1 : Dropping(*settings, rate, true, number).factor(sample);
  }
};

// `dropout` may be null.
inline SampleDropout sample_dropout_of(const KernelCall& call, const DropoutAttributes* dropout) {
  if (dropout == nullptr) return {};
  return {call.dropout, dropout->rate, static_cast<uint32_t>(dropout->number)};
}

// A value of a sample of such a factor: what is dropped is 0, NaN or not.
__device__ __forceinline__ float4 dropped(float4 value, float factor) {
  return factor == 0 ? splat(0) : splat(factor) * value;
}

}  // namespace dartsmith::cuda
