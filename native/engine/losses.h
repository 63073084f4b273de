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

// The square of a difference; a mean over the elements.
class MeanSquaredError {
 public:
  DARTSMITH_ANY_DEVICE MeanSquaredError(const float* a, const float* b, int64_t count) : a_(a), b_(b), count_(count) {}

  DARTSMITH_ANY_DEVICE double loss() const {
    double sum = 0;
    for (int64_t c = 0; c < count_; ++c) sum += difference(c) * difference(c);
    return sum / static_cast<double>(count_);
  }
  // By the first or the second.
  DARTSMITH_ANY_DEVICE double slope(int input, int64_t c) const {
    const double slope = 2 * difference(c) / static_cast<double>(count_);
    return input == 0 ? slope : -slope;
  }

 private:
  DARTSMITH_ANY_DEVICE double difference(int64_t c) const { return static_cast<double>(a_[c]) - b_[c]; }

  const float *a_, *b_;
  const int64_t count_;
};

// 1 less the cosine of the angle between two vectors, the product of whose lengths counts as kLeast at least.
class CosineDistance {
 public:
  DARTSMITH_ANY_DEVICE CosineDistance(const float* a, const float* b, int64_t count) : vectors_{a, b} {
    for (int64_t c = 0; c < count; ++c) {
      dot_ += static_cast<double>(a[c]) * b[c];
      squares_[0] += static_cast<double>(a[c]) * a[c];
      squares_[1] += static_cast<double>(b[c]) * b[c];
    }
    const double product = sqrt(squares_[0]) * sqrt(squares_[1]);
    clamped_ = product < kLeast;
    product_ = clamped_ ? kLeast : product;
  }

  DARTSMITH_ANY_DEVICE double loss() const { return 1 - dot_ / product_; }
  // By the first or the second.
  DARTSMITH_ANY_DEVICE double slope(int input, int64_t c) const {
    const double along = clamped_ ? 0 : dot_ / squares_[input] * vectors_[input][c];
    return (along - vectors_[1 - input][c]) / product_;
  }

 private:
  static constexpr double kLeast = 1e-6;

  const float* vectors_[2];
  double squares_[2] = {0, 0};
  double dot_ = 0, product_ = kLeast;
  bool clamped_ = false;
};

// Mean squares: what is squared of a sample's channel, how many samples of the batch have it, and the slope of half the
// sum of the squares by an element. Here it is the element itself.
struct SquaredValues {
  const float* x;
  int64_t channels, samples;

  explicit SquaredValues(const KernelCall& call)
      : x(call.inputs[0].data), channels(call.inputs[0].channels), samples(call.inputs[0].batch) {}
  DARTSMITH_ANY_DEVICE double at(int64_t n, int64_t c) const { return x[n * channels + c]; }
  DARTSMITH_ANY_DEVICE double slope(int64_t n, int64_t c) const { return at(n, c); }
  // Of a square in the mean.
  double share() const { return 1 / static_cast<double>(samples * channels); }
};

// And here what changes from one time to the next.
struct SquaredChanges {
  const float* x;
  int64_t channels, columns, samples;  // of all times but the last

  explicit SquaredChanges(const KernelCall& call)
      : x(call.inputs[0].data),
        channels(call.inputs[0].channels),
        columns(call.sequence->columns),
        samples(call.inputs[0].batch - columns) {}
  DARTSMITH_ANY_DEVICE double at(int64_t n, int64_t c) const {
    return static_cast<double>(x[(n + columns) * channels + c]) - x[n * channels + c];
  }
  // By what is before it, and by what follows.
  DARTSMITH_ANY_DEVICE double slope(int64_t n, int64_t c) const {
    return (n >= columns ? at(n - columns, c) : 0) - (n < samples ? at(n, c) : 0);
  }
  // 0 where there is one time only.
  double share() const { return samples == 0 ? 0 : 1 / static_cast<double>(samples * channels); }
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
  // By the first or the second.
  DARTSMITH_ANY_DEVICE double slope(int input, int64_t c) const {
    const double d = difference(c), slope = (d > 1 ? 1 : d < -1 ? -1 : d) / static_cast<double>(count_);
    return input == 0 ? slope : -slope;
  }

 private:
  DARTSMITH_ANY_DEVICE double difference(int64_t c) const { return static_cast<double>(a_[c]) - b_[c]; }

  const float *a_, *b_;
  const int64_t count_;
};

}  // namespace dartsmith
