// 3x3 poolings around each pixel, the largest and the average in one pass over the image, handed on in registers.
#pragma once
#include <limits>

#include "cpu/moments.h"
#include "cpu/traffic.h"
#include "cpu/window.h"

namespace dartsmith::cpu::DARTSMITH_ISA {

inline constexpr float kLowest = -std::numeric_limits<float>::infinity();

// The larger of each lane; a NaN wins over everything, as in the other layers.
inline Vec larger(Vec value, Vec best) {
#if defined(__AVX512F__)
  const __mmask16 ordered = _mm512_cmp_ps_mask((__m512)value, (__m512)value, _CMP_ORD_Q);
  return (Vec)_mm512_mask_max_ps((__m512)value, ordered, (__m512)value, (__m512)best);
#else
  return value != value ? value : max(value, best);
#endif
}

// Whether the taps are a position and its two neighbours.
inline bool is_three_around(const AxisMap& axis) {
  return axis.tap_count == 3 && axis.source_step == 1 && axis.taps[0].offset == -1 && axis.taps[1].offset == 0 &&
         axis.taps[2].offset == 1;
}
inline bool is_three_around(const WindowMap& map) {
  return is_three_around(map.rows) && is_three_around(map.columns);
}

struct PooledImage {
  const float* data;
  int64_t height, width, channels;
  bool include_pad;  // averages count the elements beyond the border
};

// Floats of scratch that pool_around wants.
inline int64_t around_elements(int64_t width) {
  return 2 * (width + 2) * kLanes + width;
}

// One row of a block of channels: what a column of three holds, with a pixel beyond each border. [width + 2, kLanes].
// `element`: the first, counted from where `ahead` began.
template <bool Max, bool Average>
void join_columns(const PooledImage& image, int64_t row, int64_t channel, Lanes lanes, float* largest, float* sums,
                  Ahead ahead, int64_t element) {
  const int64_t pitch = image.width * image.channels;
  const float* here = image.data + row * pitch + channel;
  const bool above = row > 0, below = row + 1 < image.height;
  for (int64_t x = 0; x < image.width; ++x, here += image.channels, element += image.channels) {
    ahead.fetch(element);
    const Vec middle = load_first(here, lanes);
    Vec most = middle, sum = middle;
    if (above) {
      const Vec value = load_first(here - pitch, lanes);
      if (Max) most = larger(middle, value);
      if (Average) sum = middle + value;
    }
    if (below) {
      const Vec value = load_first(here + pitch, lanes);
      if (Max) most = larger(value, most);
      if (Average) sum += value;
    }
    if (Max) store(largest + (x + 1) * kLanes, most);
    if (Average) store(sums + (x + 1) * kLanes, sum);
  }
}

// 1 / (number of elements averaged) of each pixel of a row.
inline void around_reciprocals(const PooledImage& image, int64_t row, float* reciprocals) {
  const auto counted = [&](int64_t at, int64_t size) {
    return image.include_pad ? 3 : min(size, at + 2) - max(0, at - 1);
  };
  for (int64_t x = 0; x < image.width; ++x) {
    reciprocals[x] = 1.0f / static_cast<float>(counted(row, image.height) * counted(x, image.width));
  }
}

// Calls body(channel, lanes, rows) for each block of channels, which calls rows(take); that calls take(pixel, largest,
// average) for the pixels of rows [row_begin, row_end), counted from the first; what is not asked for is zero.
template <bool Max, bool Average, typename Body>
void pool_around(const PooledImage& image, int64_t row_begin, int64_t row_end, float* scratch, Ahead ahead,
                 const Body& body) {
  float *largest = scratch, *sums = largest + (image.width + 2) * kLanes;
  float* reciprocals = sums + (image.width + 2) * kLanes;
  for (int64_t border = 0; border < image.width + 2; border += image.width + 1) {
    store(largest + border * kLanes, splat(kLowest));
    store(sums + border * kLanes, Vec{});
  }
  for_channels(image.channels, [&](int64_t channel, Lanes lanes) {
    body(
        channel, lanes, [&](const auto& take) __attribute__((always_inline)) {
          for (int64_t row = row_begin; row < row_end; ++row) {
            join_columns<Max, Average>(image, row, channel, lanes, largest, sums, ahead,
                                       (row - row_begin) * image.width * image.channels + channel);
            if (Average && (row == row_begin || row < 2 || row + 2 > image.height)) {
              around_reciprocals(image, row, reciprocals);
            }
            Vec most[2] = {}, sum[2] = {};  // of the two columns before
            for (int i = 0; i < 2; ++i) {
              if (Max) most[i] = load(largest + i * kLanes);
              if (Average) sum[i] = load(sums + i * kLanes);
            }
            for (int64_t x = 0; x < image.width; ++x) {
              const Vec most_after = Max ? load(largest + (x + 2) * kLanes) : Vec{};
              const Vec sum_after = Average ? load(sums + (x + 2) * kLanes) : Vec{};
              // Rounded here, whatever is made of it.
              Vec mean = Average ? (sum_after + (sum[1] + sum[0])) * splat(reciprocals[x]) : Vec{};
              hold(mean);
              take((row - row_begin) * image.width + x, Max ? larger(most_after, larger(most[1], most[0])) : Vec{},
                   mean);
              most[0] = most[1];
              most[1] = most_after;
              sum[0] = sum[1];
              sum[1] = sum_after;
            }
          }
        });
  });
}

}  // namespace dartsmith::cpu::DARTSMITH_ISA
