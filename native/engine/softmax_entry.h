// One entry of the softmax of a vector of weights: the same on every backend.
#pragma once
#include <cmath>

#include "engine/kernel.h"

namespace dartsmith {

class SoftmaxEntry {
 public:
  DARTSMITH_ANY_DEVICE SoftmaxEntry(const float* weights, const SoftmaxScaleAttributes& own)
      : weights_(weights), index_(own.index), largest_(weights[0]) {
    for (int i = 1; i < own.count; ++i) largest_ = weights[i] > largest_ ? weights[i] : largest_;
    for (int i = 0; i < own.count; ++i) total_ += exp(weights[i] - largest_);
  }

  DARTSMITH_ANY_DEVICE double value() const { return entry(index_); }
  // By a weight.
  DARTSMITH_ANY_DEVICE double slope(int i) const { return value() * ((i == index_ ? 1 : 0) - entry(i)); }

 private:
  DARTSMITH_ANY_DEVICE double entry(int i) const { return exp(weights_[i] - largest_) / total_; }

  const float* const weights_;
  const int index_;
  double largest_, total_ = 0;
};

}  // namespace dartsmith
