// One row's part of a penalty on architecture parameters: the same on every backend.
#pragma once
#include <cmath>

#include "engine/kernel.h"

namespace dartsmith {

class PenaltyRow {
 public:
  DARTSMITH_ANY_DEVICE PenaltyRow(const PenaltyCall& call, const MixingRow& row)
      : call_(call),
        row_(row),
        alpha_(call.alpha + row.offset),
        counted_(call.counted + row.offset),
        softmax_(call.form == PenaltyForm::kBeta || row.form == MixingForm::kSoftmax) {
    largest_ = alpha_[0];
    for (int64_t k = 1; k < row.length; ++k) largest_ = alpha_[k] > largest_ ? alpha_[k] : largest_;
    for (int64_t k = 0; k < row.length; ++k) total_ += exp(alpha_[k] - largest_);
  }

  // Adds to the gradients, and gives the row's terms without their share.
  DARTSMITH_ANY_DEVICE double apply() const {
    const double factor = call_.settings->weight * call_.settings->share;
    if (call_.form == PenaltyForm::kBeta) return apply_beta(factor);
    double sum = 0, mean = 0;
    for (int64_t k = 0; k < row_.length; ++k) {
      if (counted_[k] == 0) continue;
      sum += term(k);
      if (through_softmax()) mean += mixing(k) * slope(k);
    }
    for (int64_t k = 0; k < row_.length; ++k) add(k, factor * alpha_slope(k, mean));
    return sum;
  }

 private:
  DARTSMITH_ANY_DEVICE double apply_beta(double factor) const {
    if (counted_[0] == 0) return 0;
    for (int64_t k = 0; k < row_.length; ++k) add(k, factor * mixing(k));
    return largest_ + log(total_);
  }

  DARTSMITH_ANY_DEVICE bool of_alpha() const { return call_.form == PenaltyForm::kL1; }
  DARTSMITH_ANY_DEVICE bool through_softmax() const { return softmax_ && !of_alpha(); }

  DARTSMITH_ANY_DEVICE double mixing(int64_t k) const {
    return softmax_ ? exp(alpha_[k] - largest_) / total_ : 1 / (1 + exp(-static_cast<double>(alpha_[k])));
  }

  // What the entry is told apart from zero or one by.
  DARTSMITH_ANY_DEVICE double distance(int64_t k) const { return of_alpha() ? alpha_[k] : mixing(k) - 0.5; }

  DARTSMITH_ANY_DEVICE double term(int64_t k) const {
    const double d = distance(k), size = d < 0 ? -d : d;
    if (of_alpha()) return size;
    return call_.form == PenaltyForm::kZeroOneL2 ? -d * d : -size;
  }

  // Of the term, by the mixing weight or (kL1) by alpha.
  DARTSMITH_ANY_DEVICE double slope(int64_t k) const {
    const double d = distance(k), sign = d > 0 ? 1 : d < 0 ? -1 : 0;
    if (of_alpha()) return sign;
    return call_.form == PenaltyForm::kZeroOneL2 ? -2 * d : -sign;
  }

  // Of the row's terms, by alpha; `mean` is that of slopes over a softmax.
  DARTSMITH_ANY_DEVICE double alpha_slope(int64_t k, double mean) const {
    const double own = counted_[k] == 0 ? 0 : slope(k);
    if (of_alpha()) return own;
    const double m = mixing(k);
    return softmax_ ? m * (own - mean) : m * (1 - m) * own;
  }

  DARTSMITH_ANY_DEVICE void add(int64_t k, double gradient) const {
    float& target = call_.gradients[row_.offset + k];
    target = static_cast<float>(target + gradient);
  }

  const PenaltyCall& call_;
  const MixingRow& row_;
  const float* alpha_;
  const uint8_t* counted_;
  const bool softmax_;
  double largest_ = 0, total_ = 0;
};

}  // namespace dartsmith
