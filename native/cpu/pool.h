// Poolings computed where they are needed instead of stored: windows that leave the image's size alone.
#pragma once
#include "cpu/tile.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

// A pooling of images [height, width, channels].
class Pooling {
 public:
  Pooling(const PoolAttributes& pool, const Tensor& input);

  // Output rows [row_begin, row_end) of an image, to `target` [rows, width, channels]; `scratch`: scratch_elements().
  void pool_rows(const float* image, int64_t row_begin, int64_t row_end, float* target, float* scratch,
                 Ahead ahead = {}) const;  // which windows of pool_around fetch
  // Both poolings at once where they are those of pool_around, the largest and the average: the rows to `largest` and
  // to `average`.
  static bool pair(const Pooling& largest, const Pooling& average);
  static void pool_rows(const Pooling& largest, const Pooling& average, const float* image, int64_t row_begin,
                        int64_t row_end, float* to_largest, float* to_average, float* scratch, Ahead ahead = {});
  int64_t scratch_elements() const;
  // Whether its windows are those of pool_around.
  bool is_around() const;

  // An image's gradient from that of its pooling, which is used up; `scratch`: unpool_elements().
  void unpool(const float* image, float* pooled_gradient, float* target, GradientMode mode, float* scratch) const;
  int64_t unpool_elements() const;

 private:
  int64_t row_elements() const;  // of a joined row with its halo
  // 1 / (number of elements averaged), for each element of a row.
  void find_reciprocals(int64_t row, float* reciprocals) const;
  template <typename Body>
  void for_averaged_rows(int64_t row_begin, int64_t row_end, float* reciprocals, const Body& body) const;

  const PoolAttributes& pool_;
  const WindowMap map_;   // output from input
  const WindowMap back_;  // input gradient from output gradient
  const int64_t channels_;
};

}  // namespace dartsmith::cpu::DARTSMITH_ISA
