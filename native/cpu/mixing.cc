#include "cpu/mixing.h"

#include <cmath>

namespace dartsmith::cpu::DARTSMITH_ISA {
namespace {

// From dL/dp of a mixing weight p; `mean` is that of the row, weighed by p.
double alpha_gradient(MixingForm form, double p, double gradient, double mean) {
  if (form == MixingForm::kGiven) return gradient;
  return p * (form == MixingForm::kSigmoid ? (1 - p) * gradient : gradient - mean);
}

}  // namespace

void mixing_forward(Stream&, const MixingRow* rows, int64_t count, const float* alpha, float* mixing) {
  for (int64_t r = 0; r < count; ++r) {
    const float* in = alpha + rows[r].offset;
    float* out = mixing + rows[r].offset;
    if (rows[r].form == MixingForm::kGiven) continue;
    if (rows[r].form == MixingForm::kSigmoid) {
      for (int64_t k = 0; k < rows[r].length; ++k) out[k] = static_cast<float>(1 / (1 + std::exp(-double{in[k]})));
      continue;
    }
    double largest = in[0], total = 0;
    for (int64_t k = 1; k < rows[r].length; ++k) largest = in[k] > largest ? in[k] : largest;
    for (int64_t k = 0; k < rows[r].length; ++k) total += std::exp(in[k] - largest);
    for (int64_t k = 0; k < rows[r].length; ++k) out[k] = static_cast<float>(std::exp(in[k] - largest) / total);
  }
}

void mixing_backward(Stream&, const MixingRow* rows, int64_t count, const float* mixing, const double* mixing_gradients,
                     float* alpha_gradients) {
  for (int64_t r = 0; r < count; ++r) {
    const float* p = mixing + rows[r].offset;
    const double* g = mixing_gradients + rows[r].offset;
    double mean = 0;
    for (int64_t k = 0; k < rows[r].length; ++k) mean += p[k] * g[k];
    for (int64_t k = 0; k < rows[r].length; ++k) {
      alpha_gradients[rows[r].offset + k] = static_cast<float>(alpha_gradient(rows[r].form, p[k], g[k], mean));
    }
  }
}

}  // namespace dartsmith::cpu::DARTSMITH_ISA
