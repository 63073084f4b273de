#include "cpu/mixing.h"

#include <cmath>

namespace dartsmith::cpu::DARTSMITH_ISA {
void mixing_forward(Stream&, const MixingRow* rows, int64_t count, const float* alpha, float* mixing) {
  for (int64_t r = 0; r < count; ++r) {
    const float* in = alpha + rows[r].offset;
    float* out = mixing + rows[r].offset;
    if (rows[r].sigmoid) {
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
      const double slope = rows[r].sigmoid ? (1 - double{p[k]}) * g[k] : g[k] - mean;
      alpha_gradients[rows[r].offset + k] = static_cast<float>(p[k] * slope);
    }
  }
}

}  // namespace dartsmith::cpu::DARTSMITH_ISA
