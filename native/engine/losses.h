// Losses between two outputs, a sample at a time: the same on every backend.
#pragma once
#include <cmath>

#include "engine/kernel.h"

namespace dartsmith {

// The divergence of the student's distribution p = softmax(s / T) from the teacher's q = softmax(t / T):
// sum of q * (log q - log p).
class Distilled {
 public:
  DARTSMITH_ANY_DEVICE Distilled(const float* student, const float* teacher, int64_t count, float temperature)
      : student_(student, count, temperature), teacher_(teacher, count, temperature), count_(count) {
    for (int64_t c = 0; c < count; ++c) loss_ += exp(teacher_.log_share(c)) * behind(c);
  }

  DARTSMITH_ANY_DEVICE double loss() const { return loss_; }
  DARTSMITH_ANY_DEVICE double student_slope(int64_t c) const {
    return (exp(student_.log_share(c)) - exp(teacher_.log_share(c))) / student_.temperature;
  }
  DARTSMITH_ANY_DEVICE double teacher_slope(int64_t c) const {
    return exp(teacher_.log_share(c)) * (behind(c) - loss_) / teacher_.temperature;
  }

 private:
  struct Logits {
    const float* values;
    double temperature, largest, log_total = 0;

    DARTSMITH_ANY_DEVICE Logits(const float* logits, int64_t count, float temperature)
        : values(logits), temperature(temperature), largest(logits[0]) {
      for (int64_t c = 1; c < count; ++c) largest = logits[c] > largest ? logits[c] : largest;
      double total = 0;
      for (int64_t c = 0; c < count; ++c) total += exp((logits[c] - largest) / this->temperature);
      log_total = log(total);
    }
    DARTSMITH_ANY_DEVICE double log_share(int64_t c) const { return (values[c] - largest) / temperature - log_total; }
  };

  // How far the student's logarithm is behind the teacher's.
  DARTSMITH_ANY_DEVICE double behind(int64_t c) const { return teacher_.log_share(c) - student_.log_share(c); }

  const Logits student_, teacher_;
  const int64_t count_;
  double loss_ = 0;
};

// Half the square of a small difference, the size of a large one less a half; a mean over the elements.
class SmoothL1 {
 public:
  DARTSMITH_ANY_DEVICE SmoothL1(const float* a, const float* b, int64_t count) : a_(a), b_(b), count_(count) {}

  DARTSMITH_ANY_DEVICE double loss() const {
    double sum = 0;
    for (int64_t c = 0; c < count_; ++c) {
      const double d = difference(c), size = d < 0 ? -d : d;
      sum += size < 1 ? d * d / 2 : size - 0.5;
    }
    return sum / static_cast<double>(count_);
  }
  // By the first; that by the second is its negative.
  DARTSMITH_ANY_DEVICE double slope(int64_t c) const {
    const double d = difference(c);
    return (d > 1 ? 1 : d < -1 ? -1 : d) / static_cast<double>(count_);
  }

 private:
  DARTSMITH_ANY_DEVICE double difference(int64_t c) const { return static_cast<double>(a_[c]) - b_[c]; }

  const float *a_, *b_;
  const int64_t count_;
};

}  // namespace dartsmith
